import { randomBytes } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MAX_BYTES } from "./steps.ts";

/** A file to drop, and what is to become of it. */
export interface Sample {
  readonly path: string;
  readonly content: Uint8Array;
  readonly ends: "done" | "failed";
}

/** The smallest picture there is: one transparent dot. */
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

export function makeSamples(): Sample[] {
  const rows = Array.from({ length: 8_000 }, (_, n) => `${n},2026-01-${String((n % 31) + 1).padStart(2, "0")},paid\n`);
  return [
    { path: "reports/january.csv", content: Buffer.from(`id,day,state\n${rows.join("")}`), ends: "done" },
    { path: "dot.png", content: PICTURE, ends: "done" },
    // Larger than one part, so that it goes in several.
    { path: "scans/contract.pdf", content: withHead("%PDF-1.7\n", 7_000_000), ends: "done" },
    { path: "scans/archive.pdf", content: withHead("%PDF-1.7\n", MAX_BYTES + 1), ends: "failed" },
    { path: "holiday.jpg", content: withHead("MZ", 60_000), ends: "failed" },
    { path: "empty.txt", content: Buffer.alloc(0), ends: "failed" },
  ];
}

function withHead(head: string, size: number): Uint8Array {
  const content = randomBytes(size);
  content.write(head, "latin1");
  return content;
}

/** As a producer should: write elsewhere on the same disk, and rename. Nobody ever sees half a file. */
export async function dropFile(folder: string, { path, content }: Pick<Sample, "path" | "content">): Promise<void> {
  const aside = join(dirname(folder), "outbox", basename(path));
  const target = join(folder, "incoming", path);
  for (const file of [aside, target]) await mkdir(dirname(file), { recursive: true });
  await writeFile(aside, content);
  await rename(aside, target);
}
