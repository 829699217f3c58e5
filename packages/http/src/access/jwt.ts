import { InputError } from "@bucketline/core";
import { errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from "jose";
import type { JwtOptions } from "../options.ts";
import { isProviderUrl, ProviderKeys } from "./provider-keys.ts";
import { type Principal, SCOPES, type Scope } from "./scopes.ts";

const DEFAULT_ALGORITHMS = ["RS256", "ES256", "EdDSA", "PS256"] as const;
/** Signatures with a public key. A shared secret would let whoever can check tokens make them. */
const PUBLIC_KEY_ALGORITHM = /^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519|ML-DSA-(44|65|87))$/;
/** How far clocks may be apart, in seconds. */
const CLOCK_TOLERANCE = 30;
const DEFAULT_SCOPE_NAMES: Readonly<Record<Scope, string>> = {
  read: "bucketline:read",
  admin: "bucketline:admin",
};

export type JwtFinding = Principal | "invalid" | "expired";

/** Checks JSON Web Tokens of one issuer: signature, `iss`, `aud`, `exp` (required) and `nbf`. */
export class JwtVerifier {
  readonly #checks: JWTVerifyOptions;
  readonly #key: JWTVerifyGetKey;
  readonly #scopeClaim: string;
  readonly #scopeNames: Readonly<Record<Scope, string>>;

  /** @throws InputError `INVALID_OPTION` */
  constructor(options: JwtOptions) {
    checkOptions(options);
    const { issuer, audience, jwksUrl, algorithms = DEFAULT_ALGORITHMS } = options;
    this.#checks = {
      issuer,
      audience: typeof audience === "string" ? audience : [...audience],
      algorithms: [...algorithms],
      clockTolerance: CLOCK_TOLERANCE,
      requiredClaims: ["exp"],
    };
    this.#key = new ProviderKeys({ issuer, jwksUrl }).key;
    this.#scopeClaim = options.scopeClaim ?? "scope";
    this.#scopeNames = { ...DEFAULT_SCOPE_NAMES, ...options.scopeNames };
  }

  /** @throws HttpError `AUTH_UNAVAILABLE` when the provider's keys are not to be had */
  async check(token: string): Promise<JwtFinding> {
    try {
      const { payload } = await this.#verify(token);
      return this.#principal(payload);
    } catch (error) {
      if (error instanceof errors.JWTExpired) return "expired";
      // What jose finds wrong with a token has a code of its own; all else is not the token's fault.
      if (error instanceof errors.JOSEError || error instanceof TypeError) return "invalid";
      throw error;
    }
  }

  async #verify(token: string): Promise<{ payload: JWTPayload }> {
    try {
      return await jwtVerify(token, this.#key, this.#checks);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      // The token names no key, and the provider has several of its kind.
      for await (const key of error) {
        try {
          return await jwtVerify(token, key, this.#checks);
        } catch (refusal) {
          if (!(refusal instanceof errors.JWSSignatureVerificationFailed)) throw refusal;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  }

  #principal(payload: JWTPayload): Principal {
    const granted = namesIn(claimAt(payload, this.#scopeClaim));
    return {
      name: nameIn(payload),
      scopes: SCOPES.filter((scope) => granted.includes(this.#scopeNames[scope])),
      expiresAt: payload.exp! * 1000,
    };
  }
}

/** A claim by its whole name, dots and all (`https://example.com/roles`), or by its path. Inherited properties are no claims. */
function claimAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  return path
    .split(".")
    .reduce<unknown>(
      (value, name) =>
        typeof value === "object" && value !== null && Object.hasOwn(value, name)
          ? (value as Record<string, unknown>)[name]
          : undefined,
      payload,
    );
}

function namesIn(claim: unknown): readonly unknown[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim : [];
}

function nameIn({ sub, client_id, azp }: JWTPayload): string {
  const name = [sub, client_id, azp].find((value) => typeof value === "string" && value !== "");
  return typeof name === "string" ? name.slice(0, 256) : "jwt";
}

function checkOptions({ issuer, audience, jwksUrl, scopeClaim, scopeNames, algorithms }: JwtOptions): void {
  if (typeof issuer !== "string" || !isProviderUrl(issuer)) throw invalid("issuer must be an https address");
  const audiences: readonly unknown[] = typeof audience === "string" ? [audience] : (audience ?? []);
  if (!isTexts(audiences)) throw invalid("audience must be a text, or a list of at least one");
  if (jwksUrl !== undefined && !isProviderUrl(String(jwksUrl))) throw invalid("jwksUrl must be an https address");
  if (scopeClaim !== undefined && !isTexts([scopeClaim])) throw invalid("scopeClaim must be a text");
  const names = Object.entries(scopeNames ?? {});
  if (
    !isTexts(
      names.map(([, name]) => name),
      0,
    ) ||
    names.some(([scope]) => !SCOPES.some((known) => known === scope))
  )
    throw invalid(`scopeNames must give texts for ${SCOPES.join(" and ")}`);
  if (algorithms !== undefined && !(isTexts(algorithms) && algorithms.every((name) => PUBLIC_KEY_ALGORITHM.test(name))))
    throw invalid("algorithms must be a list of signatures with a public key, such as RS256");
}

function isTexts(values: unknown, atLeast = 1): values is readonly string[] {
  return (
    Array.isArray(values) &&
    values.length >= atLeast &&
    values.every((value) => typeof value === "string" && value !== "")
  );
}

function invalid(what: string): InputError {
  return new InputError("INVALID_OPTION", `Option auth.jwt: ${what}.`);
}
