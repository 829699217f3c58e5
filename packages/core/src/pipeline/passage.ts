import type { Checksum } from "../checksum.ts";
import { ObjectStoreError, StepError } from "../errors.ts";
import type { Evidence, Transfer } from "../file.ts";
import { abandonTransfer } from "../multipart.ts";
import { planPartSize } from "../parts.ts";
import { checkUntouched, evidenceOf, type FileTask, type Made, type Source } from "../transfer.ts";
import type { UploadSpec } from "../upload.ts";
import { confirmByHead, lookAtObject } from "../verify.ts";
import type { Pipeline, Pipelines } from "./pipelines.ts";
import { Crowded } from "./room.ts";
import { runChecks } from "./run-checks.ts";
import type { SpoolFacts } from "./spool-file.ts";
import type { HeldSpool, Spools } from "./spools.ts";
import { changedSettings } from "./step.ts";
import { FileTransform } from "./transform-file.ts";

/** Sends what it is given, as if it were the file. */
type Send = (source: Source) => Promise<Evidence>;

/** The way of files through their pipelines to where they are sent. */
export class Passage {
  readonly #pipelines: Pipelines;
  readonly #spools: Spools;
  readonly #stepTimeout: number;
  readonly #held = new WeakMap<FileTask, HeldSpool>();

  /** @param stepTimeout how long a step may stand still, in milliseconds */
  constructor(pipelines: Pipelines, spools: Spools, stepTimeout: number) {
    this.#pipelines = pipelines;
    this.#spools = spools;
    this.#stepTimeout = stepTimeout;
  }

  /**
   * Checks the file, transforms it, and has sent what comes out: the file itself where nothing transforms it.
   * @throws StepError `FILE_REJECTED`, `STEP_UNAVAILABLE`, `STEP_FAILED`, `STEP_TIMEOUT`, `SPOOL_FULL` · BucketlineError `PIPELINE_UNKNOWN`,
   *   `SPOOL_NOT_WRITABLE` · whatever sending throws
   */
  async send(task: FileTask, source: Source, spec: Pick<UploadSpec, "pipeline">, send: Send): Promise<Evidence> {
    const name = spec.pipeline ?? null;
    if (name === null) return await send(source);
    const pipeline = this.#pipelines.get(name);
    if (!pipeline) throw new StepError("PIPELINE_UNKNOWN", `There is no pipeline ${JSON.stringify(name)} here.`);
    if (pipeline.spool) return await this.#spooled(task, source, pipeline, send);
    await this.#check(task, source, pipeline);
    if (pipeline.transforms.length === 0) return await send(source);
    return await streamed(task, source, pipeline, this.#stepTimeout);
  }

  /** The attempt is over, and recorded. Never throws. */
  async left(task: FileTask): Promise<void> {
    const held = this.#held.get(task);
    if (!held) return;
    this.#held.delete(task);
    await this.#spools.release(held, task.file).catch(() => undefined);
  }

  async #spooled(task: FileTask, source: Source, pipeline: Pipeline, send: Send): Promise<Evidence> {
    const known = await this.#take(task, source, pipeline);
    if (known && !known.entry.inherited) return await this.#sendHeld(task, source, known, send);
    const arrived = mayHaveArrived(task) ? await findArrived(task, source, pipeline) : undefined;
    if (arrived) return arrived;
    await this.#check(task, source, pipeline);
    if (known) {
      known.entry.inherited = false;
      return await this.#sendHeld(task, source, known, send);
    }
    await this.#fill(task, source, pipeline);
    const made = await this.#take(task, source, pipeline);
    // It may have had to make room at once.
    if (!made) throw new Crowded(task.file.path);
    return await this.#sendHeld(task, source, made, send);
  }

  async #check(task: FileTask, source: Source, { checks }: Pipeline): Promise<void> {
    await runChecks(task, source, checks, this.#stepTimeout);
  }

  async #take(task: FileTask, source: Source, { identity }: Pipeline): Promise<HeldSpool | undefined> {
    const held = await this.#spools.take(task.file, source.facts.fingerprint, identity);
    if (held) this.#held.set(task, held);
    return held;
  }

  async #fill(task: FileTask, source: Source, pipeline: Pipeline): Promise<void> {
    const draft = await this.#spools.begin(task.file, task.stop.drain);
    let transform: FileTransform | undefined;
    try {
      transform = await FileTransform.begin(task, source, pipeline.transforms, this.#stepTimeout);
      for await (const chunk of transform.output()) await draft.write(chunk);
      const { uploadId, path } = task.file;
      const { size, checksum, sourceChecksum } = transform;
      const { fingerprint } = source.facts;
      const facts = { uploadId, path, fingerprint, identity: pipeline.identity, size, checksum, sourceChecksum };
      await draft.finish({ ...facts, changes: transform.changes() });
    } catch (error) {
      await draft.discard();
      throw error;
    } finally {
      transform?.close();
    }
  }

  async #sendHeld(task: FileTask, source: Source, { facts, reader }: HeldSpool, send: Send): Promise<Evidence> {
    const { size, checksum, sourceChecksum } = facts;
    task.setSettings(facts.changes.reduce(changedSettings, task.settings));
    const read: Source["read"] = async (target, position) =>
      await reader.read(target.subarray(0, Math.max(0, size - position)), position);
    const made = { checksum, sourceChecksum };
    try {
      return await send({ ...source, token: tokenOfMade(source, facts), size, read, made });
    } catch (error) {
      // What was damaged on disk stays damaged.
      if (
        error instanceof Error &&
        "code" in error &&
        error.code === "INTEGRITY" &&
        !(error instanceof ObjectStoreError)
      )
        await this.#spools.drop(task.file);
      throw error;
    }
  }
}

/**
 * Names what a pipeline has made of these bytes. Everything in it is known before the first of them is sent, so an object
 * that carries it, and is what it says, holds all of one output.
 */
function tokenOfMade(source: Source, facts: Pick<SpoolFacts, "identity" | "size"> & Made): string {
  const hex = (checksum: Checksum) => checksum.slice("crc32:".length);
  return [source.token, facts.identity, hex(facts.checksum), hex(facts.sourceChecksum), facts.size].join("-");
}

/**
 * Whether an earlier attempt may have sent it. One that a stop cut off does not count as an attempt: where it costs no more
 * than sending again, that is not asked for; where nothing may be overwritten, our own object would be taken for another's.
 */
function mayHaveArrived({ file, condition }: FileTask): boolean {
  return file.attempts > 1 || (condition !== undefined && file.fence > 1);
}

/** The object of an earlier attempt that nobody lived to record, when the spool is lost with its host: its token proves it. */
async function findArrived(task: FileTask, source: Source, { identity }: Pipeline): Promise<Evidence | undefined> {
  const object = await lookAtObject(task);
  const prefix = `${source.token}-${identity}-`;
  if (!object?.token?.startsWith(prefix)) return undefined;
  const [, crc, sourceCrc, bytes] = /^([0-9a-f]{8})-([0-9a-f]{8})-(\d+)$/.exec(object.token.slice(prefix.length)) ?? [];
  if (crc === undefined || object.size !== Number(bytes)) return undefined;
  const made: Made = { checksum: `crc32:${crc}`, sourceChecksum: `crc32:${sourceCrc}` };
  const proven =
    object.checksum === made.checksum || (!task.context.objects.capabilities.checksums && !object.checksum);
  if (!proven) return undefined;
  await checkUntouched(source, task.file.path);
  await abandonTransfer(task);
  return evidenceOf(task, { ...source, size: object.size, made }, object, made.checksum);
}

/** How many times as large as its source an output may become before the store runs out of parts. */
const GROWTH = 2;

/** Sends what comes out as it comes; whatever happens, the next attempt starts over. */
async function streamed(task: FileTask, source: Source, pipeline: Pipeline, stepTimeout: number): Promise<Evidence> {
  await abandonTransfer(task);
  const transform = await FileTransform.begin(task, source, pipeline.transforms, stepTimeout);
  try {
    return await sendStream(task, source, pipeline, transform);
  } finally {
    transform.close();
  }
}

async function sendStream(
  task: FileTask,
  source: Source,
  pipeline: Pipeline,
  transform: FileTransform,
): Promise<Evidence> {
  const { context, file } = task;
  task.setSettings(transform.changes().reduce(changedSettings, task.settings));
  const { capabilities } = context.objects;
  const least = Math.max(context.chunkSize, capabilities.minPartSize);
  const partSize = planPartSize(source.facts.size * GROWTH, context.chunkSize, capabilities) ?? least;
  // Each claim has a fence of its own: no two attempts share a token.
  const token = `${source.token}-${pipeline.identity}-${file.fence}`;
  // Whatever this leaves in the store is found by its key.
  const intent: Transfer = {
    token,
    key: file.key,
    fingerprint: source.facts.fingerprint,
    partSize,
    multipartId: null,
    startedAt: context.clock.now(),
  };
  await task.apply({ type: "transfer", transfer: intent, facts: source.facts });
  const body = outgoing(task, source, transform);
  let receipt: { readonly etag: string; readonly versionId?: string | undefined };
  try {
    receipt = await context.objects.putStream({ ...task.address, settings: task.settings, token, body, partSize });
  } catch (error) {
    throw body.failure ? body.failure.reason : error;
  }
  const { size, checksum, sourceChecksum } = transform;
  const sent: Source = { ...source, token, size, made: { checksum, sourceChecksum } };
  const found = await confirmByHead(task, sent, checksum);
  task.advance(source.facts.size, 0);
  return evidenceOf(task, sent, { etag: receipt.etag, versionId: receipt.versionId ?? found.versionId }, checksum);
}

/** The output, at the pace of the bandwidth. Ends only while the file is untouched and still ours. */
function outgoing(task: FileTask, source: Source, transform: FileTransform) {
  const body = {
    failure: undefined as { readonly reason: unknown } | undefined,
    async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
      try {
        for await (const chunk of transform.output()) {
          await task.pace.take(chunk.length);
          yield chunk;
          task.advance(0, chunk.length);
        }
        await checkUntouched(source, task.file.path);
        await task.apply({ type: "parts" });
      } catch (reason) {
        body.failure = { reason };
        throw reason;
      }
    },
  };
  return body;
}
