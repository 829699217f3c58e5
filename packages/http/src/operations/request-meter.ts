import type { FastifyReply } from "fastify";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { isEventStream, methodOf, type Observer, routeOf } from "./requests.ts";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface RequestMeter {
  readonly observer: Observer;
  update(): void;
}

/** Counts requests by route, method and status; all three are bounded. Event streams have no duration worth comparing. */
export function requestMeter(registry: Registry, prefix: string): RequestMeter {
  const registers = [registry];
  const total = new Counter({
    name: "bucketline_http_requests_total",
    help: "Requests that have ended, by pattern of the route; 499: the client went before it was answered.",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const duration = new Histogram({
    name: "bucketline_http_request_duration_seconds",
    help: "How long answers took, event streams left out.",
    labelNames: ["method", "route"],
    buckets: SECONDS,
    registers,
  });
  const inFlight = new Gauge({
    name: "bucketline_http_requests_in_flight",
    help: "Requests that are being answered, event streams left out.",
    registers,
  });
  const streams = new Gauge({ name: "bucketline_event_streams", help: "Event streams that are open.", registers });
  const open = new Set<FastifyReply>();
  return {
    observer: (request, reply) => {
      open.add(reply);
      return ({ status, seconds }) => {
        open.delete(reply);
        const labels = { method: methodOf(request), route: routeOf(request, prefix) };
        total.inc({ ...labels, status: String(status) });
        if (!isEventStream(reply)) duration.observe(labels, seconds);
      };
    },
    update: () => {
      const count = [...open].filter(isEventStream).length;
      streams.set(count);
      inFlight.set(open.size - count);
    },
  };
}
