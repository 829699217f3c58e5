import { InputError } from "@bucketline/core";
import type { FastifyRequest } from "fastify";
import { digestOf } from "../digest.ts";
import type { AuthOptions } from "../options.ts";
import { type JwtFinding, JwtVerifier } from "./jwt.ts";
import type { Principal } from "./scopes.ts";
import { Sessions } from "./sessions.ts";
import { TokenList } from "./tokens.ts";

const COOKIE = "bucketline_session";
const SESSION_ID = /^[A-Za-z0-9_-]{43}$/;
/** Three parts of base 64 (URL); RFC 7519, compact form. */
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Who sent a request: somebody, nobody, or somebody with a credential that is no good. */
export type Caller =
  | { readonly kind: "principal"; readonly principal: Principal; readonly hasSession: boolean }
  | { readonly kind: "nobody" }
  | { readonly kind: "refused"; readonly reason: "invalid" | "expired" };

/** Finds out who calls, by Authorization header or by a session's cookie. */
export class Authentication {
  readonly sessions: Sessions;
  readonly #tokens: TokenList | null;
  readonly #jwt: JwtVerifier | null;
  readonly #cookie: string;

  /**
   * @param prefix where the plugin stands
   * @throws InputError `INVALID_OPTION`
   */
  constructor({ tokens, jwt, sessionAge }: AuthOptions, prefix = "") {
    if (tokens === undefined && jwt === undefined)
      throw new InputError("INVALID_OPTION", "Option auth must have tokens, or jwt, or both.");
    this.#tokens = tokens === undefined ? null : new TokenList(tokens);
    this.#jwt = jwt === undefined ? null : new JwtVerifier(jwt);
    this.sessions = new Sessions(sessionAge);
    this.#cookie = prefix === "" ? COOKIE : `${COOKIE}_${digestOf(prefix).slice(0, 8)}`;
  }

  /** Whose token or JWT it is. @throws HttpError `AUTH_UNAVAILABLE` */
  async check(credential: string): Promise<JwtFinding> {
    const principal = this.#tokens?.find(credential);
    if (principal) return principal;
    return this.#jwt && JWT.test(credential) ? await this.#jwt.check(credential) : "invalid";
  }

  /**
   * A Bearer credential decides alone: with a wrong one, a good cookie does not help. Other schemes are not ours, as of a proxy
   * in front that asks for a password.
   * @throws HttpError `AUTH_UNAVAILABLE`
   */
  async caller(request: FastifyRequest): Promise<Caller> {
    const bearer = bearerOf(request);
    if (bearer !== null) {
      const finding = await this.check(bearer);
      if (typeof finding === "string") return { kind: "refused", reason: finding };
      return { kind: "principal", principal: finding, hasSession: false };
    }
    const principal = this.session(request);
    return principal ? { kind: "principal", principal, hasSession: true } : { kind: "nobody" };
  }

  session(request: FastifyRequest): Principal | null {
    const id = this.sessionIdOf(request);
    return id === null ? null : this.sessions.find(id);
  }

  /** The id in the session's cookie, whether or not it is (still) one; null: none. */
  sessionIdOf(request: FastifyRequest): string | null {
    const header = request.raw.headers.cookie;
    const id = header === undefined ? undefined : request.server.parseCookie(header)[this.cookieOf(request)];
    return id !== undefined && SESSION_ID.test(id) ? id : null;
  }

  /**
   * Name of the session's cookie. Cookies do not know ports, and ours are for all paths, so that two services on one machine, or in one
   * server, would log each other out if theirs had the same name. With https, browsers hold `__Host-` cookies to be of this very host.
   */
  cookieOf({ host, protocol }: FastifyRequest): string {
    const port = /:(\d+)$/.exec(host)?.[1];
    const name = port === undefined ? this.#cookie : `${this.#cookie}_${port}`;
    return protocol === "https" ? `__Host-${name}` : name;
  }
}

/** Whether the request brings something that could be guessed. */
export function hasBearer(request: FastifyRequest): boolean {
  return bearerOf(request) !== null;
}

/** What comes after `Bearer`; empty for what no token can be; null where there is none. */
function bearerOf({ raw }: FastifyRequest): string | null {
  const values = raw.rawHeaders.filter(
    (_value, index) => index % 2 === 1 && raw.rawHeaders[index - 1]!.toLowerCase() === "authorization",
  );
  const bearers = values.filter((value) => /^bearer(\s|$)/i.test(value));
  if (bearers.length === 0) return null;
  // Of two, each of us and a proxy in front could have taken another.
  return values.length > 1 ? "" : (/^bearer +([\x21-\x7e]+) *$/i.exec(values[0]!)?.[1] ?? "");
}
