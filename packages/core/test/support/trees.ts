import type { promises } from "node:fs";
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
