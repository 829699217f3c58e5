import type { Checksum } from "./checksum.ts";
import { ObjectStoreError } from "./errors.ts";
import type { ObjectFacts, WriteReceipt } from "./ports/object-store.ts";
import type { FileTask, Source } from "./transfer.ts";

/**
 * Whether the object in the bucket is the one our write of these bytes makes: our token, our size and, where the store
 * reports checksums, our checksum.
 */
function isOurs(task: FileTask, object: ObjectFacts, source: Source, checksum: Checksum): boolean {
  const proven = object.checksum === checksum || (!task.context.objects.capabilities.checksums && !object.checksum);
  return object.token === source.token && object.size === source.size && proven;
}

/**
 * The object that stands there, if it is the one that we meant to write. Settles doubts by evidence; where the credentials
 * may write but not look, there is none.
 */
export async function findOurs(task: FileTask, source: Source, checksum: Checksum): Promise<WriteReceipt | undefined> {
  const object = await lookAtObject(task);
  return object && isOurs(task, object, source, checksum) ? object : undefined;
}

/** Facts of the object that has the file's key; undefined when there is none, or when we may not look. */
export function lookAtObject(task: FileTask): Promise<ObjectFacts | undefined> {
  return task.context.objects.headObject(task.address).catch((failure: unknown) => {
    if (failure instanceof ObjectStoreError && failure.kind === "denied") return undefined;
    throw failure;
  });
}

/**
 * A write that failed may have happened all the same: its answer was lost, or an earlier try of it met its own work.
 * @returns the receipt when the object is there and ours
 * @throws the failure itself otherwise
 */
export async function settleDoubt(
  task: FileTask,
  source: Source,
  checksum: Checksum,
  failure: unknown,
): Promise<WriteReceipt> {
  if (!(failure instanceof ObjectStoreError) || !leavesDoubt(failure)) throw failure;
  const found = await findOurs(task, source, checksum);
  if (!found) throw failure;
  return found;
}

function leavesDoubt(failure: ObjectStoreError): boolean {
  return (
    failure.ambiguous || failure.kind === "precondition" || failure.kind === "notFound" || failure.kind === "conflict"
  );
}

/**
 * Confirms a finished write by HEAD: size, checksum and token are ours.
 * @throws ObjectStoreError `integrity`, `unsupported` · whatever HEAD fails with
 */
export async function confirmByHead(task: FileTask, source: Source, checksum: Checksum): Promise<WriteReceipt> {
  const object = await task.context.objects.headObject(task.address);
  if (object && isOurs(task, object, source, checksum)) return object;
  const facts = { operation: "headObject", bucket: task.bucket, key: task.file.key } as const;
  if (object?.token === source.token && object.size === source.size && object.checksum === undefined) {
    const advice = 'the store keeps no CRC32 of the whole object, so nothing proves it. Use checksums: "none".';
    throw new ObjectStoreError({ ...facts, kind: "unsupported" }, advice);
  }
  throw new ObjectStoreError({ ...facts, kind: "integrity" }, "the object is not what was sent.");
}
