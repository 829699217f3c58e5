import { unlessAborted } from "../abortable.ts";
import { type Checksum, crc32Of, formatCrc32 } from "../checksum.ts";
import { StepError } from "../errors.ts";
import type { FileTask, Source } from "../transfer.ts";
import { Chain } from "./chain.ts";
import { Reading } from "./reading.ts";
import type { ObjectChanges, Transformation, TransformStep } from "./step.ts";
import { outcomeOfError, StepRun, stepError, stepFile } from "./step-runs.ts";

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

  /** @throws StepError · the drain's reason */
  static async begin(task: FileTask, source: Source, steps: readonly TransformStep[]): Promise<FileTransform> {
    const begun: Begun[] = [];
    try {
      for (const step of steps) begun.push(await begin(task, source, step));
      return new FileTransform(task, source, begun);
    } catch (error) {
      for (const { run } of begun) run.end("cancelled", NOTHING);
      throw error;
    }
  }

  private constructor(task: FileTask, source: Source, begun: readonly Begun[]) {
    this.#task = task;
    this.#begun = begun;
    this.#reading = new Reading(source, task.file.path, task.stop.drain);
    this.#early = begun.map(({ step, transformation }) =>
      step.late ? undefined : asked(step.name, () => transformation.changes?.()),
    );
    const stages = begun.map(({ step, transformation }) => ({ name: step.name, stream: transformation.stream }));
    this.#chain = new Chain(this.#reading.whole(), stages, (index) => this.#ended(index));
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
      for await (const chunk of this.#chain.output(signal)) {
        this.size += chunk.length;
        this.#crc = crc32Of(chunk, this.#crc);
        yield chunk;
      }
    } catch (error) {
      const { failure } = this.#chain;
      const blamed = failure?.stage === null || !failure ? undefined : stepError(failure.stage, failure.error);
      const told = this.#reading.failure ?? blamed ?? error;
      if (blamed && !this.#reading.failure) {
        const index = this.#begun.findIndex(({ step }) => step.name === failure?.stage);
        this.#begun[index]?.run.end(outcomeOfError(blamed, signal), this.#countsOf(index), blamed.message);
      }
      signal.throwIfAborted();
      throw told;
    } finally {
      // Those that have not come to their end never will.
      for (const [index, { run }] of this.#begun.entries()) run.end("cancelled", this.#countsOf(index));
    }
  }

  /** Ends what has not come to its end, also where nobody has read the output. */
  close(): void {
    for (const [index, { run, transformation }] of this.#begun.entries()) {
      run.end("cancelled", this.#countsOf(index));
      if ("destroy" in transformation.stream) transformation.stream.destroy();
    }
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

async function begin(task: FileTask, source: Source, step: TransformStep): Promise<Begun> {
  const signal = task.stop.drain;
  signal.throwIfAborted();
  const run = new StepRun(task, step.name);
  try {
    const work = (async () => await step.transform(stepFile(task, source.facts)))();
    return { step, run, transformation: checked(await unlessAborted(work, signal)) };
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
