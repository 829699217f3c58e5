import { createCipheriv, createHash } from "node:crypto";
import { mkdir, open, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface SourceSpec {
  /** Files of 1 to 8 KiB. */
  readonly smallFiles: number;
  /** Bytes of the one large file; it comes first in path order. */
  readonly bigBytes: number;
}

export interface SourceFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export const BIG_FILE = "big.bin";

const KIB = 1024;
const BLOCK = Buffer.alloc(1024 * KIB);
const FILES_PER_FOLDER = 250;

/** Fills a folder with pseudo-random files, the same every time: an AES-CTR key stream is as random and costs next to nothing. */
export async function writeSource(folder: string, spec: SourceSpec): Promise<SourceFile[]> {
  const files = [await writeBig(join(folder, BIG_FILE), spec.bigBytes)];
  const stream = keyStream("small files");
  for (let index = 0; index < spec.smallFiles; index++) {
    const path = `small/${String(Math.floor(index / FILES_PER_FOLDER)).padStart(3, "0")}/${String(index).padStart(5, "0")}.bin`;
    const size = KIB + (stream(2).readUInt16LE() % (7 * KIB));
    const bytes = stream(size);
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
    files.push({ path, size, sha256: createHash("sha256").update(bytes).digest("hex") });
  }
  return files;
}

async function writeBig(absolute: string, size: number): Promise<SourceFile> {
  const stream = keyStream("large file");
  const hash = createHash("sha256");
  const file = await open(absolute, "w");
  try {
    for (let left = size; left > 0; left -= BLOCK.length) {
      const bytes = stream(Math.min(left, BLOCK.length));
      hash.update(bytes);
      await file.write(bytes);
    }
  } finally {
    await file.close();
  }
  return { path: BIG_FILE, size, sha256: hash.digest("hex") };
}

export function keyStream(seed: string): (length: number) => Buffer {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  return (length) => cipher.update(BLOCK.subarray(0, length));
}
