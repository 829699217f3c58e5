import { unlessAborted } from "../abortable.ts";
import { type Checksum, crc32Of, formatCrc32 } from "../checksum.ts";
import { StepError } from "../errors.ts";
import type { FileTask, Source } from "../transfer.ts";
import { Chain } from "./chain.ts";
import { Reading } from "./reading.ts";
import type { ObjectChanges, Transformation, TransformStep } from "./step.ts";
import { outcomeOfError, StepRun, stepError, stepFile } from "./step-runs.ts";
import { StepWatch } from "./step-watch.ts";

interface Begun {
  readonly step: TransformStep;
  readonly run: StepRun;
  readonly transformation: Transformation;
}

/** One attempt at sending a file through its transforms. */
export class FileTransform {
  /** Of what has come out so far. */
  size = 0;
  #crc = 0;
  readonly #task: FileTask;
  readonly #reading: Reading;
  readonly #begun: readonly Begun[];
  /** By step; of those that are known before the first byte. */
  readonly #early: (ObjectChanges | undefined)[];
  readonly #chain: Chain;
  readonly #watch: StepWatch;

  /**
   * @param timeout how long a step may stand still, in milliseconds
   * @throws StepError · the drain's reason
   */
  static async begin(
    task: FileTask,
    source: Source,
    steps: readonly TransformStep[],
    timeout: number,
  ): Promise<FileTransform> {
    const { context, stop } = task;
    const watch = new StepWatch({ clock: context.clock, timeout, drain: stop.drain });
    const begun: Begun[] = [];
    try {
      for (const step of steps) begun.push(await begin(task, source, step, watch));
      return new FileTransform(task, source, begun, watch);
    } catch (error) {
      watch.cancel();
      for (const one of begun) abandon(one, NOTHING);
      throw error;
    }
  }

  private constructor(task: FileTask, source: Source, begun: readonly Begun[], watch: StepWatch) {
    this.#task = task;
    this.#begun = begun;
    this.#watch = watch;
    this.#reading = new Reading(source, task.file.path, watch);
    this.#early = begun.map(({ step, transformation }) =>
      step.late ? undefined : asked(step.name, () => transformation.changes?.()),
    );
    const stages = begun.map(({ step, transformation }) => ({ name: step.name, stream: transformation.stream }));
    const ended = (index: number) => this.#ended(index);
    this.#chain = new Chain(this.#reading.whole(), stages, ended, () => watch.moved());
    watch.culprit = () => this.#chain.awaited;
  }

  get checksum(): Checksum {
    return formatCrc32(this.#crc);
  }

  /** Of the file's own bytes, once all have been read. */
  get sourceChecksum(): Checksum {
    return this.#reading.checksum;
  }

  /** What the steps change about the object, in their order. Complete once the output has come to its end. */
  changes(): ObjectChanges[] {
    return this.#begun.flatMap(({ step, transformation }, index) => {
      const changes = step.late ? asked(step.name, () => transformation.changes?.()) : this.#early[index];
      return changes ? [changes] : [];
    });
  }

  /**
   * What comes out; the source is known to be untouched when it ends. Can be read once.
   * @throws StepError · SourceError · the drain's reason
   */
  async *output(): AsyncGenerator<Uint8Array> {
    const signal = this.#task.stop.drain;
    try {
      for await (const chunk of this.#chain.output(this.#watch.signal)) {
        this.size += chunk.length;
        this.#crc = crc32Of(chunk, this.#crc);
        yield chunk;
        // Whoever reads may have taken long.
        this.#watch.moved();
      }
      this.#watch.end();
    } catch (error) {
      const blamed = this.#blamed(error);
      const told = this.#reading.failure ?? blamed?.failure ?? error;
      if (blamed && !this.#reading.failure) {
        const index = this.#begun.findIndex(({ step }) => step.name === blamed.step);
        const { failure } = blamed;
        this.#begun[index]?.run.end(outcomeOfError(failure, signal), this.#countsOf(index), failure.message);
      }
      signal.throwIfAborted();
      throw told;
    } finally {
      this.#watch.cancel();
      // Those that have not come to their end never will.
      for (const [index, { run }] of this.#begun.entries()) run.end("cancelled", this.#countsOf(index));
    }
  }

  /** The step that failed, and how. Once one stood still, whatever else the steps say only follows from it. */
  #blamed(error: unknown): { readonly step: string; readonly failure: StepError } | undefined {
    const { stalled } = this.#watch;
    if (stalled !== undefined) return { step: stalled, failure: stepError(stalled, error) };
    const { failure } = this.#chain;
    if (!failure || failure.stage === null) return undefined;
    return { step: failure.stage, failure: stepError(failure.stage, failure.error) };
  }

  /** Ends what has not come to its end, also where nobody has read the output. */
  close(): void {
    this.#watch.cancel();
    for (const [index, one] of this.#begun.entries()) abandon(one, this.#countsOf(index));
  }

  #ended(index: number): void {
    const { run, transformation } = this.#begun[index] as Begun;
    let message: string | undefined;
    try {
      message = transformation.message?.();
    } catch {
      // It is only told.
    }
    run.end("transformed", this.#countsOf(index), message);
  }

  #countsOf(index: number) {
    return this.#chain.meters[index] ?? NOTHING;
  }
}

const NOTHING = { bytesIn: 0, bytesOut: 0 } as const;

/** A step that has come to its end is not harmed. */
function abandon({ run, transformation: { stream } }: Begun, counts: Parameters<StepRun["end"]>[1]): void {
  run.end("cancelled", counts);
  if ("destroy" in stream) stream.destroy();
}

async function begin(task: FileTask, source: Source, step: TransformStep, watch: StepWatch): Promise<Begun> {
  const signal = task.stop.drain;
  signal.throwIfAborted();
  watch.culprit = () => step.name;
  watch.moved();
  const run = new StepRun(task, step.name);
  try {
    const work = (async () => await step.transform(stepFile(task, source.facts, watch.signal)))();
    return { step, run, transformation: checked(await unlessAborted(work, watch.signal)) };
  } catch (error) {
    const failure = stepError(step.name, error);
    run.end(outcomeOfError(failure, signal), NOTHING, failure.message);
    signal.throwIfAborted();
    throw failure;
  }
}

function checked(transformation: Transformation): Transformation {
  const stream: unknown = transformation?.stream;
  const isStream = typeof stream === "object" && stream !== null && ("pipe" in stream || "writable" in stream);
  if (typeof stream !== "function" && !isStream) throw new TypeError("its transformation has no stream");
  return transformation;
}

function asked(step: string, ask: () => ObjectChanges | undefined): ObjectChanges | undefined {
  try {
    return ask();
  } catch (error) {
    throw error instanceof StepError ? error : stepError(step, error);
  }
}
