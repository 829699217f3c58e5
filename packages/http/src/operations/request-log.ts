import type { FastifyInstance } from "fastify";
import { isEventStream, observeRequests, routeOf } from "./requests.ts";

/** What asks every few seconds, and fills logs with nothing. */
const PROBES = new Set(["/health", "/ready", "/metrics"]);
const MAX_PATH = 200;

/**
 * One line for each request once it has ended, with its id; probes that went well only at debug level. Queries and headers
 * are left out: they may hold what is secret.
 */
export function logRequests(app: FastifyInstance): void {
  observeRequests(app, (request, reply) => ({ status, aborted, seconds }) => {
    const route = routeOf(request);
    const isQuiet = PROBES.has(route) && status < 400;
    request.log[status >= 500 ? "warn" : isQuiet ? "debug" : "info"](
      {
        method: request.method,
        route,
        path: (request.url.split("?", 1)[0] ?? "").slice(0, MAX_PATH),
        status,
        ms: Math.round(seconds * 1_000),
        caller: request.principal?.name ?? null,
        address: request.ip,
        ...(aborted && { aborted }),
        ...(isEventStream(reply) && { stream: true }),
      },
      "request",
    );
  });
}
