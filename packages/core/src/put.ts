import { ObjectStoreError } from "./errors.ts";
import type { Evidence } from "./file.ts";
import { checkUntouched, damaged, evidenceOf, type FileTask, readExactly, type Source } from "./transfer.ts";
import { confirmByHead, findOurs, settleDoubt } from "./verify.ts";

/**
 * Sends a small file in one request. All its bytes are in memory and the file is known to be untouched before the first
 * leaves, so that no mixed object can come to be. No memory is held while it waits for bandwidth. After an earlier attempt,
 * the bucket is asked first whether that one has arrived: its answer may have been lost with a process.
 */
export async function putFile(task: FileTask, source: Source): Promise<Evidence> {
  const { context, file, stop } = task;
  const loan = await task.borrowToSend(source.size);
  try {
    const hashes = await readExactly(task, source, loan, 0);
    const { checksum } = hashes;
    if (source.made && checksum !== source.made.checksum) throw damaged(file.path);
    await checkUntouched(source, file.path);
    const arrived = file.attempts > 1 ? await findOurs(task, source, checksum) : undefined;
    if (arrived) return evidenceOf(task, source, arrived, checksum);
    stop.drain.throwIfAborted();
    loan.leaves();
    const request = {
      ...task.address,
      settings: task.settings,
      token: source.token,
      body: loan.bytes,
      ...hashes,
      condition: task.condition,
    };
    const begun = context.clock.monotonic();
    const receipt = await context.objects
      .putObject(request)
      .catch((failure: unknown) => settleDoubt(task, source, checksum, failure));
    context.throughput.carried(source.size, context.clock.monotonic() - begun);
    if (receipt.checksum !== undefined && receipt.checksum !== checksum) throw misread(task);
    const verified = receipt.checksum === checksum ? receipt : await confirmByHead(task, source, checksum);
    task.advance(source.facts.size, source.size);
    return evidenceOf(
      task,
      source,
      { etag: receipt.etag, versionId: receipt.versionId ?? verified.versionId },
      checksum,
    );
  } finally {
    loan.release();
  }
}

function misread(task: FileTask): ObjectStoreError {
  const facts = { kind: "integrity", operation: "putObject", bucket: task.bucket, key: task.file.key } as const;
  return new ObjectStoreError(facts, "the store answered with another checksum than was sent.");
}
