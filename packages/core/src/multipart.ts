import { setMaxListeners } from "node:events";
import { type Checksum, combineCrc32, formatCrc32, parseCrc32 } from "./checksum.ts";
import { ObjectStoreError } from "./errors.ts";
import { emitWarning } from "./events.ts";
import { type Evidence, type FinishedPart, type Transfer, withoutDevice } from "./file.ts";
import { partCount, partRange } from "./parts.ts";
import type { ListedPart, ObjectAddress } from "./ports/object-store.ts";
import { PartsAtOnce } from "./throughput.ts";
import {
  checkUntouched,
  damaged,
  evidenceOf,
  type FileTask,
  readExactly,
  type Source,
  sourceBytes,
  type TransferContext,
} from "./transfer.ts";
import { confirmByHead, findOurs, settleDoubt } from "./verify.ts";

/** A multipart upload that is known to the store, and what is known of its parts. */
interface Progressing {
  readonly transfer: Transfer;
  readonly multipartId: string;
  /** Recorded by us and still listed by the store: done. */
  readonly finished: Map<number, FinishedPart>;
  /** Bytes of the finished parts. */
  finishedBytes: number;
  /** Listed, but the process died before it was recorded: done if our bytes have the same checksum. */
  readonly unrecorded: ReadonlyMap<number, ListedPart>;
}

/**
 * Sends a large file in parts, going on where an earlier attempt or process stopped. One multipart upload serves one
 * fingerprint and one part size; anything else is aborted and begun anew.
 */
export async function sendInParts(task: FileTask, source: Source, partSize: number): Promise<Evidence> {
  // Every part in flight listens; how many there are is bounded elsewhere.
  setMaxListeners(0, task.stop.drain, task.stop.abort);
  const resumed = await resume(task, source);
  if (resumed && "etag" in resumed) return resumed;
  const progressing = resumed ?? (await begin(task, source, partSize));
  await sendMissingParts(task, source, progressing);
  await checkUntouched(source, task.file.path);
  return await complete(task, source, progressing);
}

/** Removes every trace of the file's transfer from the store, then from the ledger. */
export async function abandonTransfer(task: FileTask): Promise<void> {
  const { transfer } = task.file;
  if (!transfer) return;
  await abortTransfer(task.context, task.address, transfer);
  await task.apply({ type: "transfer", transfer: null });
}

/** @returns what to go on with, or the evidence when the object turns out to be complete, or nothing to go on with */
async function resume(task: FileTask, source: Source): Promise<Progressing | Evidence | undefined> {
  const { transfer } = task.file;
  if (!transfer) return undefined;
  const same = withoutDevice(transfer.fingerprint) === withoutDevice(source.facts.fingerprint);
  // What a pipeline makes of the same bytes may be something else each time: parts fit only the very same output.
  const fits = same && transfer.key === task.file.key && transfer.token === source.token;
  if (!fits || transfer.multipartId === null) {
    await abandonTransfer(task);
    return undefined;
  }
  const { multipartId } = transfer;
  const listed = await task.context.objects.listParts({ ...task.address, multipartId }).catch((failure: unknown) => {
    if (failure instanceof ObjectStoreError && failure.kind === "notFound") return undefined;
    throw failure;
  });
  if (listed) return await compareParts(task, source, transfer, multipartId, listed);
  const arrived = await findArrived(task, source, transfer);
  if (!arrived) await task.apply({ type: "transfer", transfer: null });
  return arrived;
}

/** The store no longer knows the multipart upload: completed before we could record it, or aborted by somebody else. */
async function findArrived(task: FileTask, source: Source, transfer: Transfer): Promise<Evidence | undefined> {
  const { uploadId, path } = task.file;
  const checksum = wholeChecksum(source, transfer.partSize, await task.context.state.listParts(uploadId, path));
  const object = checksum && (await findOurs(task, source, checksum));
  if (!object) return undefined;
  await checkUntouched(source, path);
  return evidenceOf(task, source, object, checksum);
}

async function compareParts(
  task: FileTask,
  source: Source,
  transfer: Transfer,
  multipartId: string,
  listed: readonly ListedPart[],
): Promise<Progressing> {
  const recorded = await task.context.state.listParts(task.file.uploadId, task.file.path);
  const unrecorded = new Map(listed.map((part) => [part.partNumber, part]));
  const finished = new Map<number, FinishedPart>();
  for (const part of recorded) {
    const there = unrecorded.get(part.partNumber);
    const { length } = partRange(source.size, transfer.partSize, part.partNumber);
    const same = there?.etag === part.etag && there.size === length && part.size === length;
    if (!same || (there.checksum !== undefined && there.checksum !== part.checksum)) continue;
    finished.set(part.partNumber, part);
    unrecorded.delete(part.partNumber);
  }
  let finishedBytes = 0;
  for (const part of finished.values()) finishedBytes += part.size;
  task.advance(sourceBytes(source, finishedBytes), 0);
  return { transfer, multipartId, finished, finishedBytes, unrecorded };
}

/** Records the intent first: whatever happens between the two commits, the key is swept before the next beginning. */
async function begin(task: FileTask, source: Source, partSize: number): Promise<Progressing> {
  task.stop.drain.throwIfAborted();
  await lookFirst(task, source);
  const intent: Transfer = {
    token: source.token,
    key: task.file.key,
    fingerprint: source.facts.fingerprint,
    partSize,
    multipartId: null,
    startedAt: task.context.clock.now(),
  };
  await task.apply({ type: "transfer", transfer: intent, facts: source.facts });
  const { multipartId } = await task.context.objects.createMultipart({
    ...task.address,
    settings: task.settings,
    token: source.token,
  });
  const transfer = { ...intent, multipartId };
  await task.apply({ type: "transfer", transfer }).catch(async (failure: unknown) => {
    // Nobody will know the id that we could not record.
    await task.context.objects.abortMultipart({ ...task.address, multipartId }).catch(() => {});
    throw failure;
  });
  return { transfer, multipartId, finished: new Map(), finishedBytes: 0, unrecorded: new Map() };
}

/**
 * What would make the completion fail is found out before gigabytes are sent: that we may not look at the object, or that
 * another one has the key and must stay.
 */
async function lookFirst(task: FileTask, source: Source): Promise<void> {
  const there = await task.context.objects.headObject(task.address);
  if (!there || !task.condition || there.token === source.token) return;
  const facts = {
    kind: "precondition",
    operation: "createMultipart",
    bucket: task.bucket,
    key: task.file.key,
  } as const;
  throw new ObjectStoreError(facts, "another object has the key.");
}

/**
 * Aborts what a transfer has left in the store. Where we never learnt the id, every unfinished multipart upload of this
 * very key is aborted: keys are ours alone.
 */
export async function abortTransfer(
  { objects, emit }: Pick<TransferContext, "objects" | "emit">,
  place: Omit<ObjectAddress, "key">,
  transfer: Transfer,
): Promise<void> {
  const address = { ...place, key: transfer.key };
  if (transfer.multipartId !== null)
    return await objects.abortMultipart({ ...address, multipartId: transfer.multipartId });
  try {
    for await (const found of objects.listMultiparts({ ...address, prefix: address.key })) {
      if (found.key === address.key) await objects.abortMultipart({ ...address, multipartId: found.multipartId });
    }
  } catch (failure) {
    const blind = failure instanceof ObjectStoreError && (failure.kind === "denied" || failure.kind === "unsupported");
    if (!blind) throw failure;
    const message = `Multipart uploads of ${address.bucket}/${address.key} cannot be listed; one may be left over. Allow s3:ListBucketMultipartUploads, or set a lifecycle rule.`;
    emitWarning(emit, { code: failure.code, message });
  }
}

/** Several lanes take part after part. When one fails, or a drain is asked for, the others finish the part they have. */
async function sendMissingParts(task: FileTask, source: Source, progressing: Progressing): Promise<void> {
  const { finished, transfer } = progressing;
  const { partsAtOnce, partsAtMost, clock } = task.context;
  const count = partCount(source.size, transfer.partSize);
  const atOnce = new PartsAtOnce(partsAtOnce, partsAtMost, clock.monotonic());
  const lanes = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  let next = 1;
  const hasWork = () => next <= count && failures.length === 0;
  const lane = async () => {
    while (hasWork() && lanes.size <= atOnce.current) {
      const partNumber = next++;
      if (finished.has(partNumber)) continue;
      task.stop.drain.throwIfAborted();
      const part = await sendPart(task, source, progressing, partNumber);
      finished.set(partNumber, part);
      atOnce.carried(part.size, clock.monotonic());
      open();
    }
  };
  const open = () => {
    while (hasWork() && lanes.size < atOnce.current) {
      const running: Promise<unknown> = Promise.resolve()
        .then(lane)
        .catch((failure: unknown) => failures.push(failure))
        .finally(() => lanes.delete(running));
      lanes.add(running);
    }
  };
  open();
  while (lanes.size > 0) await Promise.all(lanes);
  // What went wrong in one lane says more than that the others were told to end.
  if (failures.length > 0) throw failures.find((failure) => failure !== task.stop.drain.reason) ?? failures[0];
}

async function sendPart(
  task: FileTask,
  source: Source,
  progressing: Progressing,
  partNumber: number,
): Promise<FinishedPart> {
  const { start, length } = partRange(source.size, progressing.transfer.partSize, partNumber);
  const loan = await task.borrowToSend(length);
  try {
    const hashes = await readExactly(task, source, loan, start);
    const { checksum } = hashes;
    const there = progressing.unrecorded.get(partNumber);
    const known = there?.checksum === checksum && there.size === length ? there : undefined;
    const address = { ...task.address, multipartId: progressing.multipartId };
    if (!known) loan.leaves();
    const begun = task.context.clock.monotonic();
    const receipt =
      known ?? (await task.context.objects.uploadPart({ ...address, partNumber, body: loan.bytes, ...hashes }));
    const ms = task.context.clock.monotonic() - begun;
    if (receipt.checksum !== undefined && receipt.checksum !== checksum) throw partMismatch(task, partNumber);
    const part: FinishedPart = { partNumber, size: length, etag: receipt.etag, checksum };
    await task.apply({ type: "parts" }, [part]);
    progressing.finishedBytes += length;
    const done = sourceBytes(source, progressing.finishedBytes);
    if (known) task.advance(done, 0);
    else {
      task.context.throughput.carried(length, ms);
      task.advance(done, length, { partNumber, partSize: length, partMs: Math.round(ms) });
    }
    return part;
  } finally {
    loan.release();
  }
}

async function complete(task: FileTask, source: Source, progressing: Progressing): Promise<Evidence> {
  const { transfer, multipartId, finished } = progressing;
  const parts = [...finished.values()].sort((a, b) => a.partNumber - b.partNumber);
  const checksum = wholeChecksum(source, transfer.partSize, parts);
  if (!checksum) throw new Error(`Parts of ${task.file.path} are missing before completion.`);
  if (source.made && checksum !== source.made.checksum) {
    await abandonTransfer(task);
    throw damaged(task.file.path);
  }
  // Writes nothing new: proves that the file is still ours before the object becomes visible.
  await task.apply({ type: "parts" });
  task.stop.abort.throwIfAborted();
  const request = { ...task.address, multipartId, parts, size: source.size, checksum, condition: task.condition };
  try {
    await task.context.objects.completeMultipart(request).catch(async (failure: unknown) => {
      await settleDoubt(task, source, checksum, failure);
      // The object may stem from an earlier completion of the same bytes, and then this one is still open.
      await task.context.objects.abortMultipart({ ...task.address, multipartId });
    });
    return evidenceOf(task, source, await confirmByHead(task, source, checksum), checksum);
  } catch (failure) {
    // These cannot be mended by completing the same parts again. S3 wants a new multipart upload after 409.
    const final =
      failure instanceof ObjectStoreError &&
      ["notFound", "integrity", "conflict", "precondition", "rejected"].includes(failure.kind);
    if (final) await abandonTransfer(task);
    throw failure;
  }
}

/** CRC32 of the whole object from those of its parts; undefined when a part is missing. */
function wholeChecksum(source: Source, partSize: number, parts: readonly FinishedPart[]): Checksum | undefined {
  if (partSize === 0 || parts.length !== partCount(source.size, partSize)) return undefined;
  let whole = 0;
  for (const part of parts) whole = combineCrc32(whole, parseCrc32(part.checksum), part.size);
  return formatCrc32(whole);
}

function partMismatch(task: FileTask, partNumber: number): ObjectStoreError {
  const facts = { kind: "integrity", operation: "uploadPart", bucket: task.bucket, key: task.file.key } as const;
  return new ObjectStoreError(facts, `the store answered part ${partNumber} with another checksum than was sent.`);
}
