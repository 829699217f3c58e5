import type { Context, Tracer } from "@opentelemetry/api";
import { systemClock } from "../clock.ts";
import type { EventName, EventPayload, Events } from "../events.ts";
import { wholeNumber } from "../options.ts";
import type { Clock } from "../ports/clock.ts";
import type { UploadService } from "../service.ts";
import { UploadSpans } from "./upload-spans.ts";

/** The part of an `UploadService` in use. */
export type TracedService = Pick<UploadService, "on" | "off" | "get">;

/** Settings of `traceUploads`. */
export interface TraceOptions {
  /** What the runs of uploads belong to. Default: each is a trace of its own. */
  readonly parent?: Context;
  /** Uploads that may have an open span at once, and files; beyond it the oldest one's is ended. Default 10,000. */
  readonly limit?: number;
  /** When spans begin and end; the service's own clock, if it was given one. Default: the machine's. */
  readonly clock?: Pick<Clock, "now">;
}

const LIMIT = 10_000;

/**
 * Makes OpenTelemetry spans of what a service does from now on: one for each run of an upload (from its start, or a reopening
 * or resumption, until it is COMPLETED, FAILED, PAUSED or CANCELLED), inside it one for each attempt to send a file, and
 * inside that one for each step of its pipeline and each part. Observes only: it never disturbs the service, and needs `@opentelemetry/api` for its
 * types alone. Attributes and outcomes are in docs/tracing.md.
 * @returns stops it, and ends the spans that are open
 * @throws InputError `INVALID_OPTION`
 */
export function traceUploads(service: TracedService, tracer: Tracer, options: TraceOptions = {}): () => void {
  const spans = new UploadSpans({
    tracer,
    clock: options.clock ?? systemClock,
    parent: options.parent,
    limit: wholeNumber("limit", options.limit ?? LIMIT, 1),
    read: async (uploadId) => await service.get(uploadId),
  });
  const leave = Object.entries(listeners(spans)).map(([name, listener]) => {
    // One entry's name and listener belong together.
    const [event, hear] = [name as EventName, listener as Events[EventName]];
    service.on(event, hear);
    return () => service.off(event, hear);
  });
  return () => {
    for (const off of leave) off();
    spans.close();
  };
}

type Listeners = { readonly [Name in EventName]?: (event: EventPayload<Name>) => void };

function listeners(spans: UploadSpans): Listeners {
  return {
    "upload:started": ({ uploadId }) => void spans.begin(uploadId),
    "upload:reopened": ({ uploadId }) => void spans.begin(uploadId),
    "upload:resumed": ({ uploadId }) => void spans.begin(uploadId),
    "upload:completed": ({ uploadId }) => spans.end(uploadId, { outcome: "completed" }),
    "upload:failed": ({ uploadId, reason }) => spans.end(uploadId, { outcome: "failed", error: reason }),
    "upload:paused": ({ uploadId }) => spans.end(uploadId, { outcome: "paused" }),
    "upload:cancelled": ({ uploadId }) => spans.end(uploadId, { outcome: "cancelled" }),
    "upload:changed": ({ uploadId, state, reason }) => {
      if (state !== "IN_PROGRESS") spans.end(uploadId, { outcome: state.toLowerCase(), error: reason });
    },
    "file:started": (event) => spans.beginFile(event),
    "file:progress": (event) => spans.part(event),
    "step:started": (event) => spans.beginStep(event),
    "step:finished": (event) => spans.endStep(event),
    "file:uploaded": (event) => spans.endFile(event, { outcome: "uploaded" }),
    "file:retrying": (event) => spans.endFile(event, { outcome: "retrying", error: event.reason }),
    "file:failed": (event) => spans.endFile(event, { outcome: "failed", error: event.reason }),
    "file:skipped": (event) => spans.endFile(event, { outcome: "skipped" }),
    "file:removed": (event) => spans.endFile(event, { outcome: "removed" }),
  };
}
