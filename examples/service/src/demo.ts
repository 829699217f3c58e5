import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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
