import cookie from "@fastify/cookie";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App, HttpContext } from "../context.ts";
import { HttpError } from "../errors.ts";
import { Authentication, type Caller } from "./authentication.ts";
import { securityHeaders, setPolicy } from "./headers.ts";
import { AllowedHosts, isLocalConnection } from "./hosts.ts";
import { type LoginPage, loginPage } from "./login-page.ts";
import { checkOrigin, isSafe } from "./origins.ts";
import { type RateLimits, rateLimits } from "./rate-limits.ts";
import { allows, type Page, type Principal, type RouteScope } from "./scopes.ts";

export interface Access {
  /** Null: nobody need say who they are. */
  readonly authentication: Authentication | null;
  readonly limits: RateLimits;
}

/** Headers by which proxies say for whom they call. */
const FORWARDED = ["forwarded", "x-forwarded-for", "x-real-ip"] as const;

const accesses = new WeakMap<HttpContext, Access>();

/** What `accessControl` has made. */
export function accessOf(context: HttpContext): Access {
  const access = accesses.get(context);
  if (!access) throw new Error("accessControl comes before the routes.");
  return access;
}

/**
 * Adds to all routes that come after it, before any body is read: headers, the check of the Host, authentication, rate limits,
 * scopes, and the check of the origin. That nothing but JSON is read, which pages of other origins cannot send unasked, is for
 * the parsers to see to.
 * @throws InputError `INVALID_OPTION`
 */
export async function accessControl(app: App, context: HttpContext): Promise<void> {
  const { auth } = context.options;
  const authentication = auth ? new Authentication(auth, app.prefix) : null;
  const hosts = new AllowedHosts(context.options);
  if (!app.hasReplyDecorator("setCookie")) await app.register(cookie);
  if (!app.hasRequestDecorator("principal")) app.decorateRequest("principal", null);
  await securityHeaders(app);
  const access: Access = { authentication, limits: await rateLimits(app, context.options.rateLimit) };
  accesses.set(context, access);
  const page = loginPage(`${app.prefix}/api/v1/session`);
  app.addHook("onRequest", async (request, reply) => {
    // An own property: the host may have a getter of this name for its own routes.
    Object.defineProperty(request, "principal", { value: null, writable: true, configurable: true });
    // Probes call by whatever address the machine has, and learn nothing but that it is there.
    if (!(authentication && isProbe(request))) hosts.check(request.raw);
    const answered = authentication
      ? await admitKnown(request, reply, { authentication, limits: access.limits, page })
      : await admitLocal(request, access.limits);
    if (answered) return reply;
  });
}

/** Without auth: whoever is on this machine. */
async function admitLocal(request: FastifyRequest, limits: RateLimits): Promise<false> {
  if (!isLocal(request))
    throw new HttpError("AUTH_REQUIRED", "Only callers on this machine are answered, as auth is not configured.");
  if (isProbe(request)) return false;
  await limits.countRequest(request);
  checkOrigin(request, { proven: false });
  return false;
}

/**
 * A Unix socket has no addresses; who may connect to it is said by the permissions of its file. What a proxy on this machine
 * passed on comes from elsewhere.
 */
function isLocal({ raw, headers, server }: FastifyRequest): boolean {
  if (FORWARDED.some((name) => headers[name] !== undefined)) return false;
  return isLocalConnection(raw.socket) || typeof server.server.address() === "string";
}

/** With auth: whoever has the scope. True: the browser got the login page. */
async function admitKnown(
  request: FastifyRequest,
  reply: FastifyReply,
  { authentication, limits, page }: Access & { authentication: Authentication; page: LoginPage },
): Promise<boolean> {
  const scope = scopeOf(request);
  const caller = await callerOf(request, { authentication, limits }, scope);
  if (caller.kind === "principal") request.principal = caller.principal;
  if (isProbe(request)) return false;
  await limits.countRequest(request);
  if (scope === "open") return false;
  if (caller.kind === "nobody" && authentication.hasOwn && wantsPage(request)) {
    setPolicy(reply, page.policy);
    reply.code(401).header("www-authenticate", challenge()).type("text/html; charset=utf-8").send(page.html);
    return true;
  }
  if (caller.kind === "nobody") throw unauthorized();
  if (caller.kind === "refused") throw unauthorized(caller.reason);
  if (caller.by !== "bearer") checkOrigin(request, { proven: true });
  if (!allows(caller.principal, scope)) throw forbidden(scope);
  return false;
}

/** An open route answers nobody and everybody; it must not tell more about a credential than the others, though. */
async function callerOf(
  request: FastifyRequest,
  { authentication, limits }: Access & { authentication: Authentication },
  scope: RouteScope,
): Promise<Caller> {
  try {
    if (authentication.hasBearer(request)) await limits.checkFailures(request);
    const caller = await authentication.caller(request);
    if (caller.kind === "refused") await limits.countFailure(request);
    return caller;
  } catch (error) {
    if (scope === "open" && error instanceof HttpError) return { kind: "nobody" };
    throw error;
  }
}

/** Health and readiness: free of limits, since those who ask act on the answer, and cheap to give. */
function isProbe(request: FastifyRequest): boolean {
  return scopeOf(request) === "open" && isSafe(request.method);
}

/** What is not found is told to whoever may read. */
function scopeOf({ routeOptions, is404 }: FastifyRequest): RouteScope {
  return is404 ? "read" : (routeOptions.config.scope ?? "admin");
}

/** Whether somebody opened an address with a browser, rather than a program. */
function wantsPage({ method, headers }: FastifyRequest): boolean {
  const { accept = "", "sec-fetch-mode": mode } = headers;
  return method === "GET" && /\btext\/html\b/.test(accept) && (mode === undefined || mode === "navigate");
}

/** RFC 6750, section 3: without a credential the challenge names no error. */
function challenge(error?: string, description?: string): string {
  const parts = ['Bearer realm="bucketline"'];
  if (error !== undefined) parts.push(`error="${error}"`);
  if (description !== undefined) parts.push(`error_description="${description}"`);
  return parts.join(", ");
}

export function unauthorized(reason?: "invalid" | "expired"): HttpError {
  const description = reason && { invalid: "The token is not valid", expired: "The token has expired" }[reason];
  return new HttpError("UNAUTHORIZED", `${description ?? "The request has no credential"}.`, {
    headers: { "www-authenticate": reason ? challenge("invalid_token", description) : challenge() },
  });
}

export function forbidden(scope: RouteScope): HttpError {
  const headers = { "www-authenticate": `${challenge("insufficient_scope")}, scope="${scope}"` };
  return new HttpError("FORBIDDEN", `The credential does not have the scope ${scope}.`, { headers });
}

// Here, and not beside the types that are exported: what we call things on requests and routes is no business of a host's types.
declare module "fastify" {
  interface FastifyContextConfig {
    /** Who may call. Default: `admin`. */
    scope?: RouteScope;
    /** Set on routes that serve a page and on those that serve its assets. Default: the answers are data. */
    page?: Page;
  }
  interface FastifyRequest {
    /** Whoever calls; null where nobody need say so. */
    principal: Principal | null;
  }
}
