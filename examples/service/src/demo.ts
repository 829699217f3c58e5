import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { UploadService } from "@bucketline/core";
import { DEMO_BUCKET } from "./stores.ts";

/** A folder to begin with, where nobody has named one: some small files, and one that goes in parts. */
export function makeDemoFolder(dataFolder: string): string {
  const folder = join(dataFolder, "folders", "demo");
  if (existsSync(folder)) return folder;
  mkdirSync(join(folder, "notes"), { recursive: true });
  for (let number = 1; number <= 24; number++) {
    const text = `Note ${number}. Change me, and the service sends me again.\n`;
    writeFileSync(join(folder, "notes", `note-${String(number).padStart(2, "0")}.txt`), text);
  }
  writeFileSync(join(folder, "large.bin"), Buffer.alloc(24 * 1024 * 1024, "bucketline "));
  return folder;
}

/** Follows the demo folder from the first start on, so that there is something to see. */
export async function followDemoFolder(service: UploadService, sourceFolder: string): Promise<void> {
  if ((await service.list({ limit: 1 })).length > 0) return;
  await service.register({ id: "demo", sourceFolder, bucket: DEMO_BUCKET });
}
