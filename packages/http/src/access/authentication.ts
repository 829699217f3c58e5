import { InputError } from "@bucketline/core";
import type { FastifyRequest } from "fastify";
import { digestOf } from "../digest.ts";
import type { AuthOptions } from "../options.ts";
import { HostLogIn } from "./host-log-in.ts";
import { type JwtFinding, JwtVerifier } from "./jwt.ts";
import type { Principal } from "./scopes.ts";
import { Sessions } from "./sessions.ts";
import { TokenList } from "./tokens.ts";

const COOKIE = "bucketline_session";
const SESSION_ID = /^[A-Za-z0-9_-]{43}$/;
/** Three parts of base 64 (URL); RFC 7519, compact form. */
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** What somebody is known by; `host`: by whatever the host's own log-in goes by. */
export type Credential = "bearer" | "session" | "host";

/** Who sent a request: somebody, nobody, or somebody with a credential that is no good. */
export type Caller =
  | { readonly kind: "principal"; readonly principal: Principal; readonly by: Credential }
  | { readonly kind: "nobody" }
  | { readonly kind: "refused"; readonly reason: "invalid" | "expired" };

/** Finds out who calls: by Authorization header, by a session's cookie, or from the host. */
export class Authentication {
  readonly sessions: Sessions;
  readonly #tokens: TokenList | null;
  readonly #jwt: JwtVerifier | null;
  readonly #host: HostLogIn | null;
  readonly #cookie: string;
  readonly #credentials = new WeakMap<FastifyRequest, Credential>();

  /**
   * @param prefix where the plugin stands
   * @throws InputError `INVALID_OPTION`
   */
  constructor({ tokens, jwt, authenticate, sessionAge }: AuthOptions, prefix = "") {
    if (tokens === undefined && jwt === undefined && authenticate === undefined)
      throw new InputError("INVALID_OPTION", "Option auth must have tokens, jwt or authenticate, or several of them.");
    this.#tokens = tokens === undefined ? null : new TokenList(tokens);
    this.#jwt = jwt === undefined ? null : new JwtVerifier(jwt);
    this.#host = authenticate === undefined ? null : new HostLogIn(authenticate);
    this.sessions = new Sessions(sessionAge);
    this.#cookie = prefix === "" ? COOKIE : `${COOKIE}_${digestOf(prefix).slice(0, 8)}`;
  }

  /** Whether there are tokens or JWTs, which one can log in with. Otherwise all is the host's, Bearer credentials too. */
  get hasOwn(): boolean {
    return this.#tokens !== null || this.#jwt !== null;
  }

  /** Whether the request brings something to us that could be guessed. */
  hasBearer(request: FastifyRequest): boolean {
    return this.hasOwn && bearerOf(request) !== null;
  }

  /** What the caller is known by; undefined: nobody is. */
  credentialOf(request: FastifyRequest): Credential | undefined {
    return this.#credentials.get(request);
  }

  /** Whose token or JWT it is. @throws HttpError `AUTH_UNAVAILABLE` */
  async check(credential: string): Promise<JwtFinding> {
    const principal = this.#tokens?.find(credential);
    if (principal) return principal;
    return this.#jwt && JWT.test(credential) ? await this.#jwt.check(credential) : "invalid";
  }

  /**
   * A Bearer credential decides alone: with a wrong one, a good cookie does not help. Other schemes are not ours, as of a proxy
   * in front that asks for a password. The host is asked last, and only if nothing of ours says who it is.
   * @throws HttpError `AUTH_UNAVAILABLE`
   */
  async caller(request: FastifyRequest): Promise<Caller> {
    const bearer = this.hasOwn ? bearerOf(request) : null;
    if (bearer !== null) return this.#callerOf(request, await this.check(bearer), "bearer");
    const session = this.session(request);
    if (session) return this.#callerOf(request, session, "session");
    const found = await this.#host?.find(request);
    return found ? this.#callerOf(request, found, "host") : { kind: "nobody" };
  }

  #callerOf(request: FastifyRequest, finding: JwtFinding, by: Credential): Caller {
    if (typeof finding === "string") return { kind: "refused", reason: finding };
    this.#credentials.set(request, by);
    return { kind: "principal", principal: finding, by };
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
