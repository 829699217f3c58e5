import type { FileRecord, FinishedPart } from "@bucketline/core";
import { byKey, countersKey, dueKey, fileKey, heldKey, partKey, partsOf } from "./keys.ts";
import type { Draft } from "./transaction.ts";
import { counted, decodeCounters, decodeFile, encodeCounters, encodeFile, encodePart } from "./values.ts";

export async function readFile(draft: Draft, uploadId: string, path: string): Promise<FileRecord | undefined> {
  const value = await draft.get(fileKey(uploadId, path));
  return value === undefined ? undefined : decodeFile(value);
}

/** Writes a file in place of `before`, with everything that follows from it: orders, counters, parts. */
export async function writeFile(
  draft: Draft,
  before: FileRecord | undefined,
  after: FileRecord,
  parts: readonly FinishedPart[] = [],
): Promise<void> {
  draft.put(fileKey(after.uploadId, after.path), encodeFile(after));
  if (before) for (const key of orders(before)) draft.delete(key);
  for (const key of orders(after)) draft.put(key, "");
  let counters = decodeCounters(await draft.get(countersKey(after.uploadId)));
  if (before) counters = counted(counters, before, -1);
  draft.put(countersKey(after.uploadId), encodeCounters(counted(counters, after, 1)));
  await writeParts(draft, before, after, parts);
}

/** The keys under which a file is found, other than its own. */
function orders(file: FileRecord): string[] {
  return [
    ...(file.key === "" ? [] : [byKey(file)]),
    ...(file.state === "PENDING" ? [dueKey(file)] : []),
    ...(file.state === "IN_PROGRESS" ? [heldKey(file)] : []),
  ];
}

async function writeParts(
  draft: Draft,
  before: FileRecord | undefined,
  { uploadId, path, transfer }: FileRecord,
  parts: readonly FinishedPart[],
): Promise<void> {
  if (before?.transfer && before.transfer.token !== transfer?.token) await draft.deleteAll(partsOf(uploadId, path));
  if (transfer === null) return;
  for (const part of parts) draft.put(partKey(uploadId, path, part.partNumber), encodePart(part));
}
