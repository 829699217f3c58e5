import { execFileSync } from "node:child_process";
import { mkdirSync, type promises, symlinkSync, writeFileSync } from "node:fs";
import type { Dice } from "./random.ts";

/** Names that sort differently by UTF-16 unit, by code point, with and without a slash behind them. */
const NAMES = ["a", "a.txt", "a b", "a-", "a0", "b", "é", "e\u0301", "\uffff", "😀", "x\ny", ".h", "A", "\u007f", "~"];

type FsPromises = Pick<typeof promises, "mkdir" | "writeFile">;

/** Makes a random tree below `root`. @returns the paths of its files, in byte order */
export async function plantTree(fs: FsPromises, root: string, dice: Dice, depth = 4): Promise<string[]> {
  const files: string[] = [];
  const grow = async (folder: string, left: number): Promise<void> => {
    for (const name of new Set(dice.list(0, 8, () => dice.pick(NAMES)))) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (left > 0 && dice.chance(0.4)) {
        await fs.mkdir(`${root}/${path}`);
        await grow(path, left - 1);
      } else {
        await fs.writeFile(`${root}/${path}`, "x".repeat(dice.int(0, 3)));
        files.push(path);
      }
    }
  };
  await grow("", depth);
  return inByteOrder(files);
}

export function inByteOrder(paths: readonly string[]): string[] {
  return [...paths].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Makes a tree with everything that only some file systems have: odd names, links of all kinds, FIFOs, deep folders. */
export async function plantHostileTree(root: string, dice: Dice): Promise<void> {
  const bytes = (path: Buffer, name: string) => Buffer.concat([path, Buffer.from("/"), Buffer.from(name, "latin1")]);
  const fifos: string[] = [];
  const grow = (folder: string, left: number): void => {
    for (let file = dice.int(0, 120); file > 0; file--) writeFileSync(`${folder}/f${file}.txt`, "x".repeat(file));
    for (const name of new Set(dice.list(2, 9, () => dice.pick([...NAMES, "\ufffd", "x\ufffd", "\u0001", "\\"])))) {
      const path = `${folder}/${name}`;
      if (left > 0 && dice.chance(0.5)) {
        mkdirSync(path);
        grow(path, left - 1);
      } else if (dice.chance(0.1)) fifos.push(path);
      else writeFileSync(path, name);
    }
    for (const target of ["a", "b/a", "..", ".", "../..", "nowhere", "to-nowhere", "/etc", "/etc/passwd", root]) {
      if (dice.chance(0.2)) symlinkSync(target, `${folder}/to-${target.replaceAll("/", "-").slice(-20)}`);
    }
    for (const name of ["caf\xe9", "\xff", "\xff ", "f\xf0\x9f"]) {
      if (dice.chance(0.1)) writeFileSync(bytes(Buffer.from(folder), name), "");
    }
    if (dice.chance(0.1)) mkdirSync(bytes(Buffer.from(folder), "d\xfe"));
  };
  grow(root, 3);
  if (fifos.length > 0) execFileSync("mkfifo", fifos);
}
