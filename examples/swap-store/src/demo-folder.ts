import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const MIB = 2 ** 20;

/** Small files, and two that are sent in parts. @returns the folder */
export async function makeDemoFolder(home: string): Promise<string> {
  const folder = join(home, "photos");
  await mkdir(folder);
  for (let index = 1; index <= 60; index++) await writeFile(join(folder, `${index}.jpg`), randomBytes(20_000));
  await writeFile(join(folder, "holiday.mov"), randomBytes(33 * MIB));
  await writeFile(join(folder, "wedding.mov"), randomBytes(27 * MIB));
  return folder;
}
