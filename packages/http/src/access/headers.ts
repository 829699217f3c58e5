import { randomUUID } from "node:crypto";
import helmet from "@fastify/helmet";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "../context.ts";
import type { Page } from "./scopes.ts";

const HALF_A_YEAR = 15_552_000;

/** Of answers that are data: a browser that is made to show one loads and runs nothing. */
const DATA_POLICY = policy({});

/**
 * Per page, what it loads from this service; nothing comes from elsewhere and nothing is evaluated. Swagger UI and ReDoc write
 * style elements of their own.
 */
const PAGE_POLICIES: Readonly<Record<Page, string>> = {
  dashboard: policy({
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
  }),
  swagger: policy({
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
  }),
  redoc: policy({
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
  }),
};

/** A policy that admits what is named and nothing else. */
export function policy(directives: Readonly<Record<string, string>>): string {
  return Object.entries({
    "default-src": "'none'",
    ...directives,
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
  })
    .map(([name, value]) => `${name} ${value}`)
    .join("; ");
}

/** Headers of every answer, refusals too. A route may set a `Cache-Control` of its own. */
export async function securityHeaders(app: App): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: false,
    strictTransportSecurity: false,
    frameguard: { action: "deny" },
    referrerPolicy: { policy: "no-referrer" },
    crossOriginOpenerPolicy: { policy: "same-origin" },
    crossOriginResourcePolicy: { policy: "same-origin" },
  });
  app.addHook("onRequest", async (request, reply) => {
    const { page } = request.routeOptions.config;
    setPolicy(reply, page ? PAGE_POLICIES[page] : DATA_POLICY);
    // On the raw answer, so that answers which bypass Fastify's own, such as event streams, have them as well.
    reply.raw.setHeader("cache-control", "no-store");
    if (isHarmlessId(request.id)) reply.raw.setHeader("x-request-id", request.id);
    if (request.protocol === "https") reply.raw.setHeader("strict-transport-security", `max-age=${HALF_A_YEAR}`);
  });
}

export function setPolicy(reply: FastifyReply, contentSecurityPolicy: string): void {
  reply.raw.setHeader("content-security-policy", contentSecurityPolicy);
}

/** For Fastify's `genReqId`: the caller's `X-Request-Id` where it can do no harm in logs and headers, else a new one. */
export function requestId({ headers }: FastifyRequest["raw"]): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && isHarmlessId(given) ? given : randomUUID();
}

function isHarmlessId(id: string): boolean {
  return /^[A-Za-z0-9._:-]{1,128}$/.test(id);
}
