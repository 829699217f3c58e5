import type { RegisterOptions } from "../../src/index.ts";
import { BUCKET, type Process, SOURCE, type World } from "./bed.ts";

/** Writes `count` files of `size` bytes into the folder of the upload `id`. */
export function fill(world: World, id: string, count: number, size = 1): void {
  for (let n = 0; n < count; n++) world.write(`${id}/f${String(n).padStart(5, "0")}`, "x".repeat(size));
}

/** Registers an upload of its own folder. */
export async function register(process: Process, id: string, options: Partial<RegisterOptions> = {}): Promise<void> {
  const sourceFolder = `${SOURCE}/${id}`;
  await process.service.register({ id, sourceFolder, bucket: BUCKET, mode: "once", ...options });
}
