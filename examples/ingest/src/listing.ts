import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { printable } from "./format.ts";
import type { Print } from "./trace.ts";

/** What `ls` shows: where a file is, is its state. */
export async function printFolders(folder: string, print: Print): Promise<void> {
  for (const name of ["incoming", "working", "done", "failed"]) {
    const files = await filesIn(join(folder, name));
    print(`  ${`${name}/`.padEnd(10)} ${files.map(printable).join("  ") || "-"}`);
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
