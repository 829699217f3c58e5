import { isCompared } from "./assess.ts";
import { type Checksum, crc32Of, formatCrc32 } from "./checksum.ts";
import { SourceError } from "./errors.ts";
import type { Evidence } from "./file.ts";
import { checkUntouched, type FileTask, type Source } from "./transfer.ts";
import type { UploadSpec } from "./upload.ts";
import { lookAtObject } from "./verify.ts";

/**
 * A file whose inode or ctime moved while size and mtime stayed may be untouched (chmod, a copy put in place) or
 * rewritten with its old time restored. Its checksum tells, for the price of reading it; with `compare: "hash"` also when
 * the time moved.
 * @returns the evidence that still holds, or undefined when the file has to be sent
 */
export async function sameAsUploaded(
  task: FileTask,
  source: Source,
  compare: UploadSpec["compare"],
): Promise<Evidence | undefined> {
  const { evidence, key } = task.file;
  if (!evidence || !isCompared(evidence, key, source.facts, compare)) return undefined;
  if ((await checksumOf(task, source)) !== (evidence.sourceChecksum ?? evidence.checksum)) return undefined;
  await checkUntouched(source, task.file.path);
  return (await stillStands(task, evidence)) ? { ...evidence, fingerprint: source.facts.fingerprint } : undefined;
}

/** A later write of ours may have arrived without being recorded before its process died. */
async function stillStands(task: FileTask, evidence: Evidence): Promise<boolean> {
  const object = await lookAtObject(task);
  if (!object || object.etag !== evidence.etag || object.size !== evidence.size) return false;
  return object.checksum === undefined || object.checksum === evidence.checksum;
}

const READ_SIZE = 1024 * 1024;

async function checksumOf(task: FileTask, source: Source): Promise<Checksum> {
  const loan = await task.context.buffers.borrow(
    Math.min(READ_SIZE, source.facts.size),
    task.stop.abort,
    task.file.uploadId,
  );
  try {
    let crc = 0;
    for (let position = 0; position < source.facts.size; ) {
      task.stop.drain.throwIfAborted();
      const read = await source.handle.read(loan.bytes, position);
      if (read === 0)
        throw new SourceError("SOURCE_CHANGED", `${task.file.path} became shorter while it was being read.`);
      crc = crc32Of(loan.bytes.subarray(0, read), crc);
      position += read;
    }
    return formatCrc32(crc);
  } finally {
    loan.release();
  }
}
