import type { Clock } from "@bucketline/core";
import type { Message } from "./message.ts";
import { retryAfter } from "./schedule.ts";
import type { Endpoint } from "./settings.ts";

/** How one request went. */
export interface Outcome {
  /** `gone`: the receiver wants to hear no more of it · `interrupted`: we broke it off ourselves. */
  readonly result: "delivered" | "failed" | "gone" | "interrupted";
  /** Of the answer; null: there was none. */
  readonly status: number | null;
  /** What happened, safe to show: neither URL nor what the receiver said. */
  readonly message: string;
  /** How long the receiver wants to be left alone, in milliseconds. */
  readonly askedFor: number;
  /** How long it took. */
  readonly ms: number;
}

export interface RequestOptions {
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** Aborted by whoever breaks the request off, and by the request when its time is up. */
  readonly controller: AbortController;
}

/** Of an answer, which says nothing that matters: read so that its connection can be used again. */
const MAX_ANSWER_BYTES = 4096;
const TOO_MANY_REQUESTS = 429;
const UNAVAILABLE = 503;
const GONE = 410;
const TIMED_OUT = new Error("timed out");

/** Sends one signed request, and follows no redirect. Never throws. */
export async function post(endpoint: Endpoint, message: Message, options: RequestOptions): Promise<Outcome> {
  const { clock, controller } = options;
  const begun = clock.monotonic();
  const answered = new AbortController();
  clock.sleep(endpoint.timeout, answered.signal).then(
    () => controller.abort(TIMED_OUT),
    () => {}, // It is over.
  );
  try {
    const response = await request(endpoint, message, options);
    const outcome = judge(endpoint, response, clock.now());
    await drain(response);
    return { ...outcome, ms: clock.monotonic() - begun };
  } catch (error) {
    return { ...failure(endpoint, controller.signal, error), ms: clock.monotonic() - begun };
  } finally {
    answered.abort();
  }
}

function request(
  { url, signer }: Endpoint,
  { id, body }: Message,
  { clock, fetch, controller }: RequestOptions,
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "user-agent": "Bucketline-Webhooks",
      accept: "*/*",
      "accept-encoding": "identity",
      ...signer.headers(id, clock.now(), body),
    },
    body,
    redirect: "manual",
    signal: controller.signal,
  });
}

type Verdict = Omit<Outcome, "ms">;

/** As Standard Webhooks 1.0.0 says, "Delivery success and failure". */
function judge({ name }: Endpoint, { status, headers }: Response, now: number): Verdict {
  const told = `Webhook ${name} answered ${status}`;
  if (status >= 200 && status < 300) return { result: "delivered", status, message: `${told}.`, askedFor: 0 };
  if (status === GONE)
    return { result: "gone", status, message: `${told}: it wants to hear no more of this.`, askedFor: 0 };
  if (status >= 300 && status < 400) {
    const message = `${told}. Redirects are not followed: configure the URL that it leads to.`;
    return { result: "failed", status, message, askedFor: 0 };
  }
  const mayAsk = status === TOO_MANY_REQUESTS || status === UNAVAILABLE;
  const askedFor = mayAsk ? retryAfter(headers.get("retry-after"), now) : 0;
  return { result: "failed", status, message: `${told}.`, askedFor };
}

function failure({ name, timeout }: Endpoint, { aborted, reason }: AbortSignal, error: unknown): Verdict {
  const none = { status: null, askedFor: 0 };
  if (aborted && reason !== TIMED_OUT)
    return { ...none, result: "interrupted", message: `The service stopped before webhook ${name} had answered.` };
  if (aborted) return { ...none, result: "failed", message: `Webhook ${name} did not answer within ${timeout} ms.` };
  return { ...none, result: "failed", message: `Webhook ${name} cannot be reached (${codeOf(error)}).` };
}

/** Such as `ECONNREFUSED`. Messages are not told: they name addresses. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error)) return "no known reason";
  if (cause.name === "HTTPParserError") return "its answer is not HTTP";
  if (cause.message === "bad port") return "the Fetch standard forbids this port";
  const code = "code" in cause ? cause.code : undefined;
  return typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? code : "no known reason";
}

/** The status alone counts: an answer that breaks off, hangs or has no end changes nothing. */
async function drain({ body }: Response): Promise<void> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (let read = 0; read <= MAX_ANSWER_BYTES; ) {
      const { done, value } = await reader.read();
      if (done) return;
      read += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // It broke off, or its time was up.
  }
}
