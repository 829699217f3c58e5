import { InputError } from "@bucketline/core";
import { Counter, Histogram, Registry } from "prom-client";
import type { HttpContext } from "../context.ts";
import type { Delivery } from "../webhooks/courier.ts";
import { countEvents } from "./event-counters.ts";
import { toOpenMetrics } from "./exposition.ts";
import { readFigures } from "./ledger-figures.ts";
import { processGauges } from "./process-gauges.ts";
import { healthOf } from "./readiness.ts";
import { requestMeter } from "./request-meter.ts";
import type { Observer } from "./requests.ts";
import { SharedReading } from "./shared-reading.ts";
import { stateGauges } from "./state-gauges.ts";

/** How old an answer of the buckets may be in a scrape: they are not asked for each. */
const HEALTH_MS = 15_000;
/** What a scrape waits for the ledger; then it shows the figures from before. */
const PATIENCE_MS = 2_000;
const SERIES = 100;
const DELIVERY_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * The metrics of one plugin, in a registry of their own. They are put together once a second at most, and what is read from
 * the ledger for them takes no more than a tenth of the time.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly observer: Observer;
  /** A delivery of a notice has ended. */
  readonly delivered: (delivery: Delivery) => void;
  readonly #text: SharedReading<string>;
  readonly #leave: readonly (() => void)[];

  /** @throws InputError `INVALID_OPTION` */
  constructor(context: HttpContext, prefix: string) {
    const { service, options } = context;
    const { registry } = this;
    const named = seriesOf(context);
    const subscribers = options.webhooks?.map(({ name }) => name) ?? [];
    const figures = new SharedReading(() => readFigures({ service, named, subscribers }));
    const stopCounting = countEvents(service, registry);
    const updateState = stateGauges(registry);
    const requests = requestMeter(registry, prefix);
    const ofProcess = processGauges(registry);
    this.observer = requests.observer;
    this.delivered = deliveryMeter(registry);
    this.#leave = [stopCounting, ofProcess.close];
    const read = async () => {
      const [health, ledger] = await Promise.all([
        healthOf(context, HEALTH_MS).catch(() => undefined),
        figures.within(PATIENCE_MS),
        ofProcess.update(),
      ]);
      updateState({ now: Date.now(), status: service.status(), health, figures: ledger });
      requests.update();
      return await registry.metrics();
    };
    this.#text = new SharedReading(read, { rest: 0 });
  }

  async text(openMetrics: boolean): Promise<string> {
    const text = await this.#text.get();
    return openMetrics ? toOpenMetrics(text) : text;
  }

  /** Listens no more. */
  close(): void {
    for (const leave of this.#leave) leave();
  }
}

function deliveryMeter(registry: Registry): (delivery: Delivery) => void {
  const registers = [registry];
  const total = new Counter({
    name: "bucketline_webhook_deliveries_total",
    help: "Deliveries of notices that have ended, by outcome.",
    labelNames: ["webhook", "outcome"],
    registers,
  });
  const duration = new Histogram({
    name: "bucketline_webhook_delivery_duration_seconds",
    help: "How long deliveries of notices took.",
    labelNames: ["webhook"],
    buckets: DELIVERY_SECONDS,
    registers,
  });
  return ({ webhook, outcome, seconds }) => {
    total.inc({ webhook, outcome });
    duration.observe({ webhook }, Math.max(0, seconds));
  };
}

function seriesOf({ options }: HttpContext): number {
  const { uploads = SERIES } = options.metrics ?? {};
  if (Number.isSafeInteger(uploads) && uploads >= 0) return uploads;
  throw new InputError("INVALID_OPTION", "Option metrics.uploads must be a whole number from 0 on.");
}
