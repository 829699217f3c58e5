import { type Dispatcher, errors } from "undici";
import { type AnswerHeaders, LONGEST_DOCUMENT, Refusal } from "./refusal.ts";

/** A request that is complete and signed. */
export interface DirectRequest {
  readonly origin: string;
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Uint8Array;
}

/** An answer that goes on and on is cut off here; its head is worth as much without the rest. */
const LONGEST_ANSWER = 1024 ** 2;

/** Of these the first counts when there are several, as Node.js has it; of others all do. */
const SINGLE: ReadonlySet<string> = new Set(["age", "etag", "retry-after"]);

/**
 * One request and its answer. `answer` settles once nothing reads the body any more: with the headers of a success, or
 * with a Refusal, or with whatever kept the answer from coming.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly request: DirectRequest;
  readonly answer: Promise<AnswerHeaders>;
  /** Called once, when the connection is free for another request. */
  onEnd: () => void = () => {};
  #resolve!: (headers: AnswerHeaders) => void;
  #reject!: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #status = 0;
  #headers: AnswerHeaders = {};
  #document: Buffer[] = [];
  #length = 0;

  constructor(request: DirectRequest) {
    this.request = request;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get stopped(): boolean {
    return this.#stopped !== undefined;
  }

  /** Ends the exchange, at whatever point it is, with the reason. */
  stop(reason: unknown): void {
    this.#stopped = { reason };
    // Not on its way yet: nothing reads the body, and once it has its connection it is taken back.
    if (this.#controller) this.#abort(reason);
    else this.#reject(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stopped) this.#abort(this.#stopped.reason);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[]>): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = flattened(headers);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    // The chunk's memory belongs to the connection.
    if (this.#length < LONGEST_DOCUMENT) this.#document.push(Buffer.from(chunk));
    this.#length += chunk.length;
    if (this.#length > LONGEST_ANSWER) this.#abort(new Error("the answer is too long."));
  }

  onResponseEnd(): void {
    this.onEnd();
    this.#settle();
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    this.onEnd();
    if (this.#length > LONGEST_ANSWER && !this.#stopped) this.#settle();
    else this.#reject(this.#stopped ? this.#stopped.reason : error);
  }

  #settle(): void {
    const isSuccess = this.#status < 300;
    if (isSuccess && this.#length === 0) return this.#resolve(this.#headers);
    const document = Buffer.concat(this.#document).toString("utf8", 0, LONGEST_DOCUMENT);
    // A store that began to answer before it knew. The SDK makes a 503 of it, too.
    if (isSuccess && !document.trimEnd().endsWith("</Error>")) return this.#resolve(this.#headers);
    this.#reject(new Refusal(isSuccess ? 503 : this.#status, this.#headers, document));
  }

  #abort(reason: unknown): void {
    this.#controller?.abort(reason instanceof Error ? reason : new Error("The request was stopped."));
  }
}

function flattened(headers: Record<string, string | string[]>): AnswerHeaders {
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") headers[name] = SINGLE.has(name) ? (value[0] ?? "") : value.join(", ");
  }
  return headers as AnswerHeaders;
}

/**
 * Whether the connection was ended because of a 100 that nobody had asked for. It means nothing (RFC 9110, 15.2) and the
 * SDK overlooks it, but undici does not.
 */
export function isUnaskedContinue(error: unknown): boolean {
  return error instanceof errors.SocketError && error.message === "bad response";
}
