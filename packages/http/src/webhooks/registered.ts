import type { App, HttpContext } from "../context.ts";
import { tracedFetch } from "../operations/tracing.ts";
import { endpointsOf } from "./settings.ts";
import { Webhooks } from "./webhooks.ts";

const registered = new WeakMap<HttpContext, Webhooks>();

/** What `registerWebhooks` has made. */
export function webhooksOf(context: HttpContext): Webhooks {
  const webhooks = registered.get(context);
  if (!webhooks) throw new Error("registerWebhooks comes before the routes.");
  return webhooks;
}

/**
 * Delivers notices while the server is ready and the service is started.
 * @throws InputError `INVALID_OPTION` · ServiceError `SERVICE_STARTED`
 */
export function registerWebhooks(app: App, context: HttpContext): void {
  const { service, options } = context;
  const webhooks = new Webhooks(endpointsOf(options.webhooks), { service, log: app.log, fetch: tracedFetch(context) });
  registered.set(context, webhooks);
  app.addHook("onReady", async () => webhooks.start());
  // While requests to this server come to their end, so do those to the receivers.
  app.addHook("preClose", async () => void webhooks.stop());
  app.addHook("onClose", () => webhooks.stop());
}
