import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

const PER_FOLDER = 100;
const BLOCK = 8 * 2 ** 20;

/** Makes files of the same size with different random contents, a hundred to a folder. */
export function makeFiles(root: string, files: number, bytes: number): void {
  mkdirSync(root);
  const block = randomBytes(Math.min(bytes, BLOCK));
  for (let file = 0; file < files; file++) {
    const folder = join(root, `folder-${String(Math.floor(file / PER_FOLDER)).padStart(5, "0")}`);
    if (file % PER_FOLDER === 0) mkdirSync(folder);
    const target = openSync(join(folder, `file-${String(file).padStart(8, "0")}.dat`), "w");
    for (let at = 0; at < bytes; at += block.length) {
      block.writeUInt32LE(file, 0);
      block.writeUInt32LE(at / block.length, 4);
      writeSync(target, block, 0, Math.min(block.length, bytes - at));
    }
    closeSync(target);
  }
}
