import { Type } from "typebox";
import type { App, HttpContext } from "../context.ts";
import { OPEN_METRICS, prefersOpenMetrics, TEXT } from "../operations/exposition.ts";
import { metricsOf } from "../operations/observed.ts";
import { answers } from "../schemas/answers.ts";
import { webhooksOf } from "../webhooks/registered.ts";

const Exposition = {
  description: "Metrics, in the format that the header Accept prefers.",
  content: {
    "text/plain": { schema: Type.String() },
    "application/openmetrics-text": { schema: Type.String() },
  },
};

/** Metrics for Prometheus. */
export async function metricsRoutes(app: App, context: HttpContext): Promise<void> {
  const metrics = metricsOf(context);
  webhooksOf(context).onDelivery(metrics.delivered);

  app.get(
    "/metrics",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getMetrics",
        summary: "Metrics for Prometheus",
        description: "Put together once a second at most.",
        tags: ["service"],
        response: answers({ 200: Exposition }),
      },
    },
    async (request, reply) => {
      const openMetrics = prefersOpenMetrics(request.headers.accept);
      reply.header("vary", "accept").type(openMetrics ? OPEN_METRICS : TEXT);
      return await metrics.text(openMetrics);
    },
  );
}
