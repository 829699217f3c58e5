import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Checksum } from "@bucketline/core";
import { codeOf } from "./refusals.ts";

/** A file of the store: a line of JSON that says what it is, and behind it the bytes. One file is one rename. */
export interface Entry<Facts> {
  readonly facts: Facts;
  /** Bytes before the body. */
  readonly offset: number;
}

/** What is known of any body. */
export interface BodyFacts {
  readonly size: number;
  readonly etag: string;
  readonly checksum: Checksum;
}

/** The longest line: a key of 1,024 bytes and 2 KB of metadata, with room to spare. */
const LONGEST_LINE = 64 * 1024;

/**
 * Writes beside the target, and renames once all of it is on the disk: the entry is there whole or not at all, after a power
 * failure too.
 */
export async function writeEntry(
  path: string,
  scratch: string,
  facts: object,
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const draft = join(scratch, randomUUID());
  try {
    const file = await open(draft, "wx");
    try {
      await file.writeFile(`${JSON.stringify(facts)}\n`);
      // Goes on where the last one ended.
      for await (const chunk of body) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** A rename or a removal outlives a power failure once its folder is on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** @returns undefined when there is no such entry */
export async function readEntry<Facts>(path: string): Promise<Entry<Facts> | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_LINE), 0, LONGEST_LINE, 0);
    const end = buffer.subarray(0, bytesRead).indexOf("\n");
    return { facts: JSON.parse(buffer.toString("utf8", 0, end)), offset: end + 1 };
  } finally {
    await file.close();
  }
}

export function readBody(path: string, { offset }: Entry<unknown>): AsyncIterable<Uint8Array> {
  return createReadStream(path, { start: offset });
}
