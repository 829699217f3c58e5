import type { ServiceHealth } from "@bucketline/core";
import type { FastifyRequest } from "fastify";
import type { Static } from "typebox";
import { allows } from "../access/scopes.ts";
import type { App, HttpContext } from "../context.ts";
import { healthOf, isReady } from "../operations/readiness.ts";
import { answers, saying } from "../schemas/answers.ts";
import { HealthView, ReadinessView } from "../schemas/health.ts";
import { timeView } from "../views.ts";

/** Whether the process lives, and whether the service can work. */
export async function healthRoutes(app: App, context: HttpContext): Promise<void> {
  app.get(
    "/health",
    {
      config: { scope: "open" },
      schema: {
        operationId: "getHealth",
        summary: "Whether the process answers",
        description:
          "Asks nobody and does no I/O. Stays 200 while the service stops, so that nobody kills it for draining.",
        tags: ["service"],
        security: [],
        response: answers({ 200: saying("It does.", HealthView) }),
      },
    },
    async () => ({ status: "ok" as const }),
  );

  app.get(
    "/ready",
    {
      config: { scope: "open" },
      schema: {
        operationId: "getReadiness",
        summary: "Whether the service can work",
        description:
          "The service is started and not stopping, its ledger answers, its lease is valid, it looks after its folders, and of the buckets in use at least one answers. Found out once a second at most. Without a credential only `status` is told.",
        tags: ["service"],
        security: [],
        response: {
          ...answers({ 200: saying("It can.", ReadinessView) }),
          503: saying("It cannot.", ReadinessView),
        },
      },
    },
    async (request, reply) => {
      const found = await healthOf(context);
      const ready = isReady(found);
      reply.code(ready ? 200 : 503);
      const status = ready ? ("ok" as const) : ("unavailable" as const);
      return mayRead(request, context) ? { status, details: detailsOf(found) } : { status };
    },
  );
}

function mayRead({ principal }: FastifyRequest, { options }: HttpContext): boolean {
  return options.auth === undefined || (principal !== null && allows(principal, "read"));
}

type Details = NonNullable<Static<typeof ReadinessView>["details"]>;

function detailsOf({ lease, monitor, inFlight, ...health }: ServiceHealth): Details {
  const { started, stopping, owner, host, store, buckets, concurrency } = health;
  const { alive, watched, scanning, lastScanAt } = monitor;
  return {
    started,
    stopping,
    owner,
    host,
    store: { ...store },
    buckets: buckets.map(({ bucket, ok, reason }) => ({ bucket, ok, reason })),
    lease: { valid: lease.valid, age_seconds: lease.ageMs === null ? null : lease.ageMs / 1000 },
    monitor: { alive, watched, scanning, last_scan_at: lastScanAt === null ? null : timeView(lastScanAt) },
    in_flight: inFlight,
    concurrency: { ...concurrency },
  };
}
