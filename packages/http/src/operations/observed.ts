import type { App, HttpContext } from "../context.ts";
import { Metrics } from "./metrics.ts";
import { observeRequests } from "./requests.ts";
import { traceAll } from "./tracing.ts";

const made = new WeakMap<HttpContext, Metrics>();

/** What `observed` has made. */
export function metricsOf(context: HttpContext): Metrics {
  const metrics = made.get(context);
  if (!metrics) throw new Error("observed comes before the routes.");
  return metrics;
}

/**
 * Counts, and traces if it is told to, what the service does and every request to the routes that come after it. Nothing of
 * it is left behind when the server closes.
 * @throws InputError `INVALID_OPTION`
 */
export function observed(app: App, context: HttpContext): void {
  const { prefix } = app;
  const metrics = new Metrics(context, prefix);
  made.set(context, metrics);
  observeRequests(app, metrics.observer);
  const stopTracing = traceAll(app, context);
  app.addHook("onClose", async () => {
    metrics.close();
    stopTracing();
  });
}
