import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";

const FILES_PER_FOLDER = 100;
const FOLDERS_PER_FOLDER = 100;

const numbered = (name: string, number: number, digits: number) => `${name}-${String(number).padStart(digits, "0")}`;

/** Makes a tree of empty files: a hundred to a folder, three levels down. */
export function makeTree(root: string, files: number): void {
  mkdirSync(root);
  for (let first = 0, folder = 0; first < files; first += FILES_PER_FOLDER, folder++) {
    const above = join(root, numbered("folder", Math.floor(folder / FOLDERS_PER_FOLDER), 4));
    if (folder % FOLDERS_PER_FOLDER === 0) mkdirSync(above);
    const path = join(above, numbered("album", folder, 6));
    mkdirSync(path);
    for (let file = first; file < Math.min(files, first + FILES_PER_FOLDER); file++) {
      closeSync(openSync(join(path, `${numbered("photo", file, 8)}.jpg`), "w"));
    }
  }
}
