import type { Answer } from "./answer-reader.ts";
import { type AnswerHeaders, Refusal } from "./refusal.ts";

/** A request that is complete and signed. */
export interface DirectRequest {
  readonly origin: string;
  /** Request line and headers, as they are sent: every character is a byte. */
  readonly head: string;
  readonly body: Uint8Array;
}

/**
 * One request and its answer. `answer` settles once nothing reads the body any more: with the headers of a success, or
 * with a Refusal, or with whatever kept the answer from coming.
 */
export class Exchange {
  readonly request: DirectRequest;
  readonly answer: Promise<AnswerHeaders>;
  #resolve!: (headers: AnswerHeaders) => void;
  #reject!: (error: unknown) => void;
  #cut: (() => void) | undefined;
  #isStopped = false;

  constructor(request: DirectRequest) {
    this.request = request;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** It has its connection. @param cut takes the connection away, so that nothing reads the body any more */
  begin(cut: () => void): void {
    this.#cut = cut;
  }

  /** Ends the exchange, at whatever point it is, with the reason. */
  stop(reason: unknown): void {
    this.#isStopped = true;
    this.#cut?.();
    this.fail(reason);
  }

  fail(error: unknown): void {
    this.#cut = undefined;
    this.#reject(error);
  }

  settle({ status, headers, document }: Answer): void {
    this.#cut = undefined;
    const isSuccess = status < 300;
    // An error behind a success: a store that began to answer before it knew. The SDK makes a 503 of it, too.
    if (isSuccess && !document.trimEnd().endsWith("</Error>")) this.#resolve(headers);
    else this.#reject(new Refusal(isSuccess ? 503 : status, headers, document));
  }
}
