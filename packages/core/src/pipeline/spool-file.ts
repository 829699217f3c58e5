import type { Checksum } from "../checksum.ts";
import type { SpoolReader } from "../ports/spool-folder.ts";
import type { ObjectChanges } from "./step.ts";

/** What a spooled file says of itself, behind its content. */
export interface SpoolFacts {
  readonly uploadId: string;
  readonly path: string;
  /** Of the source, when its bytes were read. */
  readonly fingerprint: string;
  /** Of the pipeline. */
  readonly identity: string;
  /** Bytes of the content. */
  readonly size: number;
  readonly checksum: Checksum;
  readonly sourceChecksum: Checksum;
  /** Of the object, in the order of the steps. */
  readonly changes: readonly ObjectChanges[];
}

const MAGIC = 0x42_4c_53_31;
const TAIL = 8;
/** Paths have up to 4 KiB, metadata 2 KiB. */
const LARGEST_FACTS = 1024 * 1024;

/** The facts, how long they are, and a mark: stands behind the content, because nothing of it is known before. */
export function encodeFacts(facts: SpoolFacts): Uint8Array {
  const json = Buffer.from(JSON.stringify(facts));
  const tail = Buffer.alloc(TAIL);
  tail.writeUInt32BE(json.length, 0);
  tail.writeUInt32BE(MAGIC, 4);
  return Buffer.concat([json, tail]);
}

/** @returns undefined when it is no whole spooled file */
export async function readFacts(file: SpoolReader): Promise<SpoolFacts | undefined> {
  const tail = await readAt(file, file.size - TAIL, TAIL);
  if (tail?.readUInt32BE(4) !== MAGIC) return undefined;
  const length = tail.readUInt32BE(0);
  const json = length <= LARGEST_FACTS ? await readAt(file, file.size - TAIL - length, length) : undefined;
  if (!json) return undefined;
  try {
    const facts = JSON.parse(json.toString()) as SpoolFacts;
    return facts.size === file.size - TAIL - length ? facts : undefined;
  } catch {
    return undefined;
  }
}

async function readAt(file: SpoolReader, position: number, length: number): Promise<Buffer | undefined> {
  if (position < 0) return undefined;
  const target = Buffer.alloc(length);
  return (await file.read(target, position)) === length ? target : undefined;
}
