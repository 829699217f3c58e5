import { InputError } from "@bucketline/core";
import type { FastifyRequest } from "fastify";
import { HttpError } from "../errors.ts";
import type { AuthOptions, HostPrincipal } from "../options.ts";
import { type Principal, SCOPES } from "./scopes.ts";

type Authenticate = NonNullable<AuthOptions["authenticate"]>;

/** Whom the host knows, by a log-in of its own. */
export class HostLogIn {
  readonly #authenticate: Authenticate;

  /** @throws InputError `INVALID_OPTION` */
  constructor(authenticate: Authenticate) {
    if (typeof authenticate !== "function")
      throw new InputError("INVALID_OPTION", "Option auth.authenticate must be a function.");
    this.#authenticate = authenticate;
  }

  /** @throws HttpError `AUTH_UNAVAILABLE` when the host fails, or names somebody in a way that cannot be */
  async find(request: FastifyRequest): Promise<Principal | null> {
    try {
      const found = await this.#authenticate(request);
      return found ? principalOf(found) : null;
    } catch (cause) {
      throw new HttpError("AUTH_UNAVAILABLE", "The host could not say who calls.", { cause });
    }
  }
}

/** Anything else than what the type says lets nobody in: plain JavaScript may return what it likes. */
function principalOf({ name, scopes, expiresAt }: HostPrincipal): Principal | null {
  if (typeof name !== "string" || name === "") throw new TypeError("auth.authenticate must return a name.");
  if (!Array.isArray(scopes) || !scopes.every((scope) => SCOPES.includes(scope)))
    throw new TypeError(`auth.authenticate must return scopes, a list of ${SCOPES.join(" and ")}.`);
  if (expiresAt !== undefined && !Number.isFinite(expiresAt))
    throw new TypeError("auth.authenticate must return expiresAt as milliseconds since 1970, or leave it out.");
  if (expiresAt !== undefined && expiresAt <= Date.now()) return null;
  return { name, scopes: [...scopes], expiresAt: expiresAt ?? null };
}
