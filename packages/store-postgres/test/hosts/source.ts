import { createCipheriv, createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Dice } from "./dice.ts";

export interface SourceSpec {
  readonly smallFiles: number;
  /** Files that go in parts, spread among the small ones. */
  readonly bigFiles: number;
  /** Their average. */
  readonly bigBytes: number;
  readonly seed: number;
}

export interface SourceFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

const KIB = 1024;
const FILES_PER_FOLDER = 100;

/** Fills a folder with pseudo-random files, the same for the same seed: an AES-CTR key stream costs next to nothing. */
export function writeSource(folder: string, { smallFiles, bigFiles, bigBytes, seed }: SourceSpec): SourceFile[] {
  const dice = new Dice(seed);
  const key = createHash("sha256").update(`source ${seed}`).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const total = smallFiles + bigFiles;
  const every = bigFiles > 0 ? Math.max(1, Math.floor(total / bigFiles)) : Number.POSITIVE_INFINITY;
  return Array.from({ length: total }, (_, index) => {
    const isBig = index % every === 0 && index / every < bigFiles;
    const size = isBig ? dice.int(Math.ceil(bigBytes / 2), Math.floor(bigBytes * 1.5)) : dice.int(0, 4 * KIB);
    const group = String(Math.floor(index / FILES_PER_FOLDER)).padStart(3, "0");
    const path = `${group}/${String(index).padStart(5, "0")}.${isBig ? "big" : "small"}`;
    const bytes = cipher.update(Buffer.alloc(size));
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
    return { path, size, sha256: createHash("sha256").update(bytes).digest("hex") };
  });
}
