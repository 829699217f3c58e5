import { createHash, timingSafeEqual } from "node:crypto";
import { InputError } from "@bucketline/core";
import type { TokenOptions } from "../options.ts";
import { type Principal, SCOPES, type Scope } from "./scopes.ts";

/** What a token may be made of: it travels in a header. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;

/**
 * SHA-256 of a token, as `TokenOptions.sha256` takes it.
 * @throws InputError `INVALID_OPTION` for what cannot be sent as a token: empty, with spaces, or not ASCII
 */
export function hashToken(token: string): string {
  if (typeof token !== "string" || !TOKEN.test(token))
    throw new InputError("INVALID_OPTION", "A token must be 1 to 4,096 visible ASCII characters.");
  return digest(token).toString("hex");
}

interface Candidate {
  readonly hash: Buffer;
  readonly principal: Principal;
}

/** The tokens that are taken, by hash. */
export class TokenList {
  readonly #candidates: readonly Candidate[];

  /** @throws InputError `INVALID_OPTION` */
  constructor(tokens: readonly TokenOptions[]) {
    if (!Array.isArray(tokens) || tokens.length === 0)
      throw invalid("auth.tokens must be a list of at least one token");
    this.#candidates = tokens.map(candidate);
    distinct(
      tokens.map((token) => token.sha256.toLowerCase()),
      "sha256",
    );
    distinct(
      tokens.map((token) => token.name),
      "name",
    );
  }

  /** Whose token it is; null: nobody's. Takes as long for the first as for the last and for none. */
  find(token: string): Principal | null {
    const hash = digest(token);
    let found: Principal | null = null;
    // No way out of the loop early: how long it takes must not tell which token was meant, or how much of it was right.
    for (const { hash: expected, principal } of this.#candidates)
      if (timingSafeEqual(hash, expected)) found = principal;
    return found;
  }
}

function candidate(token: TokenOptions): Candidate {
  const { name, sha256, scopes = ["read"] } = token ?? {};
  if (typeof name !== "string" || name === "") throw invalid("each of auth.tokens needs a name");
  // Whatever stands there instead may be the token itself, so the message does not repeat it.
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(sha256))
    throw invalid(`sha256 of the token ${JSON.stringify(name)} must be 64 hexadecimal digits; see hashToken()`);
  const hash = Buffer.from(sha256, "hex");
  if (hash.equals(digest(""))) throw invalid(`the token ${JSON.stringify(name)} is the empty one`);
  if (!Array.isArray(scopes) || scopes.length === 0 || !scopes.every(isScope))
    throw invalid(`scopes of the token ${JSON.stringify(name)} must be a list of ${SCOPES.join(" and ")}`);
  return { hash, principal: { name, scopes: [...scopes], expiresAt: null } };
}

function isScope(scope: unknown): scope is Scope {
  return SCOPES.some((known) => known === scope);
}

function distinct(values: readonly string[], what: string): void {
  if (new Set(values).size < values.length) throw invalid(`two of auth.tokens have the same ${what}`);
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token, "utf8").digest();
}

function invalid(what: string): InputError {
  return new InputError("INVALID_OPTION", `Option auth: ${what}.`);
}
