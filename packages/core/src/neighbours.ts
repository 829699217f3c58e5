import { keyTemplateOf } from "./keys.ts";
import type { FileLedger } from "./ports/state-store.ts";
import type { UploadRecord } from "./upload.ts";

/**
 * Uploads that may have files with the keys of this one's: those in its bucket with overlapping prefixes, and itself when
 * two of its own files could get one key.
 * @param uploads all there are
 */
export async function neighboursOf(
  upload: Pick<UploadRecord, "id" | "spec">,
  uploads: AsyncIterable<UploadRecord>,
): Promise<string[]> {
  const { id, spec } = upload;
  const own = keyTemplateOf(upload);
  const neighbours = own.injective ? [] : [id];
  for await (const other of uploads) {
    if (other.id === id || other.spec.bucket !== spec.bucket) continue;
    const { prefix } = keyTemplateOf(other);
    if (prefix.startsWith(own.prefix) || own.prefix.startsWith(prefix)) neighbours.push(other.id);
  }
  return neighbours;
}

/** Whether a file of any of the uploads has, or will have, the key. */
export async function isHeld(state: FileLedger, neighbours: readonly string[], key: string): Promise<boolean> {
  for (const neighbour of neighbours) if (await state.findFileByKey(neighbour, key)) return true;
  return false;
}
