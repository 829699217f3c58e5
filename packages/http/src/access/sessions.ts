import { createHash, randomBytes } from "node:crypto";
import { InputError } from "@bucketline/core";
import type { Principal } from "./scopes.ts";

const DEFAULT_AGE = 12 * 60 * 60_000;

export interface OpenedSession {
  /** For the cookie, and nowhere else. */
  readonly id: string;
  /** As long as the session lasts, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Who is logged in with a browser, in memory: a service that starts again knows nobody. Only hashes of the ids are kept, so
 * that a dump of the memory is no bundle of keys. Bounded: where there are `limit`, the oldest makes room; where one principal
 * has half as many, its own oldest, so that none logs out the others.
 */
export class Sessions {
  readonly #age: number;
  readonly #limit: number;
  readonly #limitEach: number;
  readonly #listeners = new Set<() => void>();
  /** In the order in which they were opened. */
  readonly #principals = new Map<string, Principal & { readonly expiresAt: number }>();

  /**
   * @param age in milliseconds; default 12 hours
   * @throws InputError `INVALID_OPTION`
   */
  constructor(age: number = DEFAULT_AGE, limit = 1000) {
    if (!Number.isSafeInteger(age) || age < 1)
      throw new InputError("INVALID_OPTION", "Option auth.sessionAge must be a whole number of milliseconds above 0.");
    this.#age = age;
    this.#limit = limit;
    this.#limitEach = Math.ceil(limit / 2);
  }

  get size(): number {
    return this.#principals.size;
  }

  /** Never lasts longer than the credential. */
  open(principal: Principal): OpenedSession {
    this.#dropExpired();
    const own = [...this.#principals].filter(([, { name }]) => name === principal.name);
    if (own.length >= this.#limitEach) this.#end(own[0]![0]);
    const [oldest] = this.#principals.keys();
    if (this.#principals.size >= this.#limit && oldest !== undefined) this.#end(oldest);
    const id = randomBytes(32).toString("base64url");
    const expiresAt = Math.min(Date.now() + this.#age, principal.expiresAt ?? Number.POSITIVE_INFINITY);
    this.#principals.set(hash(id), { ...principal, expiresAt });
    return { id, expiresAt };
  }

  find(id: string): Principal | null {
    return this.#find(hash(id));
  }

  /** @returns whether there still is such a session: cheap, and may be asked again and again */
  watch(id: string): () => boolean {
    const key = hash(id);
    return () => this.#find(key) !== null;
  }

  /** Calls the listener whenever a session has ended before its time. */
  onEnd(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Nothing happens where there is none. */
  close(id: string): void {
    this.#end(hash(id));
  }

  #find(key: string): Principal | null {
    const principal = this.#principals.get(key);
    if (!principal) return null;
    if (principal.expiresAt > Date.now()) return principal;
    this.#principals.delete(key);
    return null;
  }

  #end(key: string): void {
    if (this.#principals.delete(key)) for (const listener of this.#listeners) listener();
  }

  #dropExpired(): void {
    const now = Date.now();
    for (const [key, { expiresAt }] of this.#principals) if (expiresAt <= now) this.#principals.delete(key);
  }
}

function hash(id: string): string {
  return createHash("sha256").update(id).digest("base64url");
}
