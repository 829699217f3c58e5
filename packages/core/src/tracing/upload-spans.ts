import type { Attributes, Context, Span, SpanKind, SpanStatusCode, Tracer } from "@opentelemetry/api";
import type { ErrorCode, Reason } from "../errors.ts";
import type { EventPayload, FileEvent } from "../events.ts";
import type { StepOutcome } from "../pipeline/trace.ts";
import type { Clock } from "../ports/clock.ts";
import type { UploadRecord } from "../upload.ts";
import { insideOf, OpenSpans } from "./open-spans.ts";

export interface UploadSpansOptions {
  readonly tracer: Tracer;
  readonly clock: Pick<Clock, "now">;
  readonly parent: Context | undefined;
  /** Open spans of uploads, and as many of files. */
  readonly limit: number;
  /** What an upload is. Rejects when that cannot be found out (any more). */
  readonly read: (uploadId: string) => Promise<Pick<UploadRecord, "spec">>;
}

interface Run {
  readonly uploadId: string;
  readonly span: Span;
  readonly context: Context;
  bucket: string | undefined;
}

interface Attempt {
  readonly span: Span;
  readonly context: Context;
  /** Of the steps that have begun, by their names. */
  readonly steps: Map<string, Span>;
}

/** How something ended; with a reason, badly. */
interface End {
  readonly outcome: string;
  readonly error?: Reason | null;
}

/** Of the API, which is here for its types only. */
const CLIENT: SpanKind.CLIENT = 2;
const ERROR: SpanStatusCode.ERROR = 2;
/** What a step's outcome is as an error. */
const ERROR_OF: Readonly<Partial<Record<StepOutcome, ErrorCode>>> = {
  rejected: "FILE_REJECTED",
  unavailable: "STEP_UNAVAILABLE",
  failed: "STEP_FAILED",
};
/** Somebody else told it to end, or nobody was told how it ended. */
const INTERRUPTED: End = { outcome: "interrupted" };

/**
 * The spans of the runs of uploads, of attempts to send a file, and of parts, each inside the one before. Each span ends:
 * with what it is about, with what is around it, or when it has to make room.
 */
export class UploadSpans {
  readonly #options: UploadSpansOptions;
  readonly #runs: OpenSpans<Run>;
  readonly #attempts: OpenSpans<Attempt>;

  constructor(options: UploadSpansOptions) {
    this.#options = options;
    this.#runs = new OpenSpans(options.limit, (run) => this.#endRun(run, INTERRUPTED));
    this.#attempts = new OpenSpans(options.limit, (attempt) => this.#endAttempt(attempt, INTERRUPTED));
  }

  /** The upload has work. One that goes on, goes on. */
  begin(uploadId: string): Run {
    const known = this.#runs.get(uploadId);
    if (known) return known;
    const { tracer, parent } = this.#options;
    const attributes = { "bucketline.upload.id": uploadId };
    const begun = { attributes, startTime: this.#now(), root: parent === undefined };
    const span = tracer.startSpan("bucketline.upload", begun, parent);
    const run: Run = { uploadId, span, context: insideOf(span, parent), bucket: undefined };
    this.#runs.add(uploadId, run);
    void this.#learn(run);
    return run;
  }

  end(uploadId: string, end: End): void {
    const run = this.#runs.take(uploadId);
    if (run) this.#endRun(run, end);
  }

  beginFile(event: FileEvent): void {
    // An attempt that was given back says nothing; the next one shows that it has ended.
    this.endFile(event, INTERRUPTED);
    const { uploadId, path, key, size, attempts } = event;
    const run = this.begin(uploadId);
    const attributes: Attributes = {
      "bucketline.upload.id": uploadId,
      "bucketline.file.path": path,
      "bucketline.file.attempt": attempts,
      "file.size": size,
      ...objectOf(run, key),
    };
    const span = this.#options.tracer.startSpan("bucketline.file", { attributes, startTime: this.#now() }, run.context);
    this.#attempts.add(keyOf(event), { span, context: insideOf(span, run.context), steps: new Map() });
  }

  endFile(event: Pick<FileEvent, "uploadId" | "path">, end: End): void {
    const attempt = this.#attempts.take(keyOf(event));
    if (attempt) this.#endAttempt(attempt, end);
  }

  beginStep(event: EventPayload<"step:started">): void {
    const attempt = this.#attempts.get(keyOf(event));
    if (!attempt) return;
    const attributes = { "bucketline.step.name": event.step };
    const begun = { attributes, startTime: this.#now() };
    attempt.steps.set(event.step, this.#options.tracer.startSpan("bucketline.step", begun, attempt.context));
  }

  endStep(event: EventPayload<"step:finished">): void {
    const { step, outcome, bytesIn, bytesOut, message } = event;
    const attempt = this.#attempts.get(keyOf(event));
    const span = attempt?.steps.get(step);
    if (!attempt || !span) return;
    attempt.steps.delete(step);
    span.setAttributes({ "bucketline.step.bytes_in": bytesIn, "bucketline.step.bytes_out": bytesOut });
    const code = ERROR_OF[outcome];
    this.#end(span, { outcome, error: code ? { code, message: message ?? "" } : null });
  }

  part(event: EventPayload<"file:progress">): void {
    const { uploadId, key, partNumber, partSize, partMs } = event;
    const attempt = this.#attempts.get(keyOf(event));
    if (!attempt || partNumber === undefined || partSize === undefined || partMs === undefined) return;
    const end = this.#options.clock.now();
    const attributes: Attributes = {
      "aws.s3.part_number": partNumber,
      "bucketline.part.size": partSize,
      ...objectOf(this.#runs.get(uploadId), key),
    };
    const begun = { kind: CLIENT, attributes, startTime: new Date(end - partMs) };
    this.#options.tracer.startSpan("bucketline.part", begun, attempt.context).end(new Date(end));
  }

  close(): void {
    for (const run of this.#runs.takeAll("")) this.#endRun(run, INTERRUPTED);
    for (const attempt of this.#attempts.takeAll("")) this.#endAttempt(attempt, INTERRUPTED);
  }

  /** No event says where an upload goes to. */
  async #learn(run: Run): Promise<void> {
    try {
      const { spec } = await this.#options.read(run.uploadId);
      run.bucket = spec.bucket;
      if (this.#runs.get(run.uploadId) !== run) return;
      run.span.setAttributes({ "aws.s3.bucket": spec.bucket, "bucketline.upload.mode": spec.mode });
    } catch {
      // The service is stopped, or its ledger does not answer: the span does without.
    }
  }

  #endRun({ uploadId, span }: Run, end: End): void {
    for (const attempt of this.#attempts.takeAll(keyOf({ uploadId, path: "" }))) this.#endAttempt(attempt, INTERRUPTED);
    this.#end(span, end);
  }

  #endAttempt({ span, steps }: Attempt, end: End): void {
    for (const step of steps.values()) this.#end(step, INTERRUPTED);
    this.#end(span, end);
  }

  #end(span: Span, { outcome, error }: End): void {
    span.setAttribute("bucketline.outcome", outcome);
    if (error) {
      span.setAttributes({ "bucketline.error.code": error.code, "error.type": error.code });
      span.setStatus({ code: ERROR, message: error.message });
    }
    span.end(this.#now());
  }

  #now(): Date {
    return new Date(this.#options.clock.now());
  }
}

function objectOf(run: Run | undefined, key: string): Attributes {
  return { "aws.s3.key": key, ...(run?.bucket !== undefined && { "aws.s3.bucket": run.bucket }) };
}

/** No id and no path has a NUL. */
function keyOf({ uploadId, path }: Pick<FileEvent, "uploadId" | "path">): string {
  return `${uploadId}\0${path}`;
}
