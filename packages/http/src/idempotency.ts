import type { Principal } from "./access/scopes.ts";
import { digestOf } from "./digest.ts";
import { HttpError } from "./errors.ts";

/** Keys that are remembered; the oldest are forgotten first. */
const MOST_KEYS = 10_000;

/**
 * What was asked under which Idempotency-Key, in memory and bounded. What outlives a restart is the id of the upload, which
 * comes from the key when the request names none: a repetition finds the upload that the first request made.
 */
export class IdempotencyKeys {
  readonly #requests = new Map<string, string>();

  /** @throws HttpError `IDEMPOTENCY_CONFLICT` when the key stood for another request */
  refuseReuse(scoped: string, body: unknown): void {
    const known = this.#requests.get(scoped);
    if (known !== undefined && known !== digestOf(body)) throw conflict();
  }

  /** The request has succeeded. */
  remember(scoped: string, body: unknown): void {
    this.#requests.delete(scoped);
    this.#requests.set(scoped, digestOf(body));
    const [oldest] = this.#requests.keys();
    if (this.#requests.size > MOST_KEYS && oldest !== undefined) this.#requests.delete(oldest);
  }
}

export function conflict(options?: ErrorOptions): HttpError {
  return new HttpError("IDEMPOTENCY_CONFLICT", "This Idempotency-Key was sent before, with another request.", options);
}

/** The key as one client's own: two clients may use the same key. */
export function scopedKey(principal: Principal | null, key: string): string {
  return digestOf([principal?.name ?? null, key]);
}

/** A UUID (version 8: made by rules of our own, RFC 9562, 5.8) that is the same for the same key of the same client. */
export function uploadIdOf(scoped: string): string {
  const bytes = Buffer.from(scoped, "base64url").subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
