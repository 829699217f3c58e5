import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";
import { HttpError } from "../errors.ts";

const TIMEOUT = 5000;
/** After a failure, the provider is asked again no sooner; until then callers are told at once. */
const COOL_DOWN = 10_000;
/** Between two looks for a key that the provider did not have: whoever sends made-up key ids must not make us ask each time. */
const UNKNOWN_KEY_COOL_DOWN = 30_000;
/** Of the discovery document and of the key set; real ones have a few KiB. */
const MAX_BYTES = 1 << 20;

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;

/** The provider did not answer as it should. */
class ProviderFailure extends Error {}

/**
 * The public keys of an OpenID provider: looked up when first needed, where `jwksUrl` or else the issuer's discovery document
 * says, kept for ten minutes, asked again for unknown key ids. While the provider is away, keys that are fresh still serve.
 */
export class ProviderKeys {
  readonly #issuer: string;
  readonly #jwksUrl: string | undefined;
  #remote: Promise<RemoteKeys> | null = null;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor({ issuer, jwksUrl }: { issuer: string; jwksUrl?: string | undefined }) {
    this.#issuer = issuer;
    this.#jwksUrl = jwksUrl;
  }

  /**
   * @throws HttpError `AUTH_UNAVAILABLE` when the keys are not to be had
   * @throws JOSEError when they are, and the token is what is wrong
   */
  readonly key: JWTVerifyGetKey = async (header, token) => {
    try {
      if (Date.now() < this.#failedAt + COOL_DOWN) return await knownKey(await this.#remote, header, token);
      return await (await this.#keys())(header, token);
    } catch (error) {
      if (!(error instanceof ProviderFailure || error instanceof errors.JWKSInvalid)) throw error;
      this.#failedAt = Date.now();
      throw unavailable(error);
    }
  };

  async #keys(): Promise<RemoteKeys> {
    this.#remote ??= this.#find();
    try {
      return await this.#remote;
    } catch (error) {
      this.#remote = null;
      throw error;
    }
  }

  async #find(): Promise<RemoteKeys> {
    const url = this.#jwksUrl ?? (await discover(this.#issuer));
    return createRemoteJWKSet(new URL(url), {
      timeoutDuration: TIMEOUT,
      cooldownDuration: UNKNOWN_KEY_COOL_DOWN,
      [customFetch]: fetchJson,
    });
  }
}

/** Looked up without asking the provider. */
async function knownKey(remote: RemoteKeys | null, ...[header, token]: Parameters<JWTVerifyGetKey>) {
  const keys = remote?.fresh ? remote.jwks() : undefined;
  if (!keys) throw unavailable();
  try {
    return await createLocalJWKSet(keys)(header, token);
  } catch (error) {
    throw error instanceof errors.JWKSNoMatchingKey ? unavailable(error) : error;
  }
}

/** OpenID Connect Discovery 1.0, section 4: the document must name the very issuer it was asked of. */
async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const answer = await fetchJson(url, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT) });
  const document: unknown = await answer.json();
  if (typeof document !== "object" || document === null)
    throw new ProviderFailure("The discovery document is no object.");
  if (!("issuer" in document) || document.issuer !== issuer)
    throw new ProviderFailure("The discovery document is of another issuer.");
  if (!("jwks_uri" in document) || typeof document.jwks_uri !== "string" || !isProviderUrl(document.jwks_uri))
    throw new ProviderFailure("The discovery document names no https address of keys.");
  return document.jwks_uri;
}

/** Whether keys may be fetched there: by https, or from this machine. */
export function isProviderUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname));
}

/** @throws ProviderFailure unless the answer is 200, bounded and JSON */
async function fetchJson(url: string, init: RequestInit): Promise<Response> {
  try {
    const answer = await fetch(url, init);
    const text = await textOf(answer);
    if (answer.status !== 200) throw new Error(`Answered with status ${answer.status}.`);
    JSON.parse(text);
    return new Response(text);
  } catch (cause) {
    throw new ProviderFailure(`${url} did not answer as the provider of keys should.`, { cause });
  }
}

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error(`The answer is longer than ${MAX_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function unavailable(cause?: unknown): HttpError {
  return new HttpError(
    "AUTH_UNAVAILABLE",
    "The keys that JWTs are checked with are not to be had at the moment.",
    cause === undefined ? undefined : { cause },
  );
}
