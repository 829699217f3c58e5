import type { CheckOptions, Upload, UploadService, VerificationReport } from "@bucketline/core";
import type { Context } from "../context.ts";
import { codeOf } from "../errors.ts";
import { tellEvents } from "../output/event-lines.ts";
import { openView, SILENT, type View } from "../output/view.ts";
import { Observation } from "./observation.ts";
import { type Outcome, reasonsOf } from "./outcome.ts";
import { tellTrouble } from "./trouble.ts";

/** What is wrong with a folder as a whole, or with what was to be deleted: worth repeating at the end. */
const LASTING = [
  "SOURCE_NOT_READABLE",
  "SOURCE_OUTSIDE_ROOT",
  "SOURCE_DOUBTFUL",
  "SOURCE_NOT_DISPOSED",
  "DELETE_REFUSED",
];
const MOST_WARNINGS = 20;

/** A terminal is drawn anew more often than anybody else need be told how it goes. */
export function pace({ output }: Context): { readonly progressInterval?: number } {
  return output.stdout.isTerminal && !output.isJson ? { progressInterval: 200 } : {};
}

export interface PassOptions {
  readonly service: UploadService;
  readonly context: Context;
  /** Every failure, and not only the first of each kind. */
  readonly tellsAll?: boolean;
}

/** One pass of a service over uploads, shown as it goes. */
export class Pass {
  readonly observation: Observation;
  readonly #context: Context;
  #view: View | undefined;
  readonly #endEvents: () => void;
  readonly #service: UploadService;
  readonly #signal: AbortSignal;
  readonly #warnings = new Map<string, Map<string, { readonly code: string; readonly message: string }>>();
  readonly #began = performance.now();

  constructor({ service, context, tellsAll = false }: PassOptions) {
    this.#service = service;
    this.#signal = context.signal;
    this.observation = new Observation(service);
    service.on("warning", ({ code, message, uploadId = "" }) => this.#keep(code, message, uploadId));
    // Nothing tells the progress of an upload that has to wait.
    service.on("upload:scanned", ({ uploadId }) => {
      void service.get(uploadId).then(
        ({ progress }) => this.observation.put(progress),
        () => {},
      );
    });
    this.#endEvents = tellEvents(service, context.output);
    this.#context = context;
    tellTrouble(service, (line) => this.note(line), { terminal: context.output.stdout, tellsAll });
    this.#signal.addEventListener("abort", this.#onStop, { once: true });
  }

  /** From now on there is something to see. */
  begin(): void {
    this.#view ??= openView(this.#context, this.observation);
  }

  /** Prints a line for good; it must be printable. */
  note(line: string): void {
    const { output } = this.#context;
    if (this.#view) this.#view.note(line);
    else if (!output.isQuiet) output.line(line);
  }

  /** What the work has come to; shown from now on. */
  say(state: string): void {
    this.#view?.say(state);
  }

  /**
   * Scans the upload and waits until nothing of it is left to send.
   * @returns how it stands then, COMPLETED or FAILED
   * @throws BucketlineError when it is paused, cancelled or elsewhere · the signal's reason
   */
  async bringUp(id: string, request: Omit<CheckOptions, "signal">): Promise<Upload> {
    const signal = this.#signal;
    await this.#service.check(id, { ...request, signal });
    try {
      return this.#seen(await this.#service.finished(id, { signal }));
    } catch (error) {
      if (codeOf(error) !== "UPLOAD_FAILED") throw error;
      return this.#seen(await this.#service.get(id));
    }
  }

  async outcomeOf(upload: Upload, verification?: VerificationReport): Promise<Outcome> {
    const { filesFailed, filesSkipped } = upload.progress;
    return {
      upload,
      run: { ...this.observation.tallyOf(upload.id), seconds: this.seconds },
      failed: filesFailed > 0 ? await reasonsOf(this.#service, upload.id, "FAILED") : [],
      skipped: filesSkipped > 0 ? await reasonsOf(this.#service, upload.id, "SKIPPED") : [],
      warnings: [...(this.#warnings.get(upload.id)?.values() ?? [])],
      verification,
    };
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1_000;
  }

  /** Once the service is stopped: until then the view shows how what is in flight finishes. */
  end(): void {
    this.#signal.removeEventListener("abort", this.#onStop);
    this.#endEvents();
    this.#view?.end();
    this.#view ??= SILENT;
  }

  #seen(upload: Upload): Upload {
    this.observation.put(upload.progress);
    return upload;
  }

  #keep(code: string, message: string, uploadId: string): void {
    if (!LASTING.includes(code)) return;
    const kept = this.#warnings.get(uploadId) ?? new Map();
    this.#warnings.set(uploadId, kept);
    if (kept.size < MOST_WARNINGS) kept.set(message, { code, message });
  }

  readonly #onStop = (): void => {
    this.say("stopping");
    this.note("Stopping: what is in flight may finish. Ctrl-C again stops at once; nothing is lost either way.");
  };
}
