import type { ServiceLimits } from "@bucketline/core";
import { type Static, Type } from "typebox";
import type { App, HttpContext } from "../context.ts";
import { camel, renamed, snake } from "../names.ts";
import { answers, saying } from "../schemas/answers.ts";
import { Nullable, OneOf } from "../schemas/common.ts";

const BandwidthLimit = Nullable(Type.Integer({ minimum: 1, description: "Bytes per second; null: no limit." }));
const ActiveHours = Nullable(
  Type.String({ minLength: 1, maxLength: 1000, description: "Local hours, such as `22:00-06:00`; null: always." }),
);

const Limits = Type.Object({ bandwidth_limit: BandwidthLimit, active_hours: ActiveHours }, { $id: "Limits" });
const ChangeLimits = Type.Object(
  { bandwidth_limit: Type.Optional(BandwidthLimit), active_hours: Type.Optional(ActiveHours) },
  { $id: "ChangeLimits", additionalProperties: false, minProperties: 1 },
);

const Roots = Type.Object(
  {
    roots: Type.Array(Type.String(), { description: "Source folders must lie inside one of them." }),
    buckets: Nullable(Type.Array(Type.String(), { description: "Null: any." })),
  },
  { $id: "Roots" },
);

const Pipeline = Type.Object(
  {
    name: Type.String(),
    steps: Type.Array(
      Type.Object({
        name: Type.String(),
        kind: OneOf(["check", "transform"]),
        version: Nullable(Type.String({ description: "Null: none; the name alone tells it from other steps." })),
      }),
      { description: "In the order in which they run." },
    ),
    spool: Type.Boolean({ description: "Whether what transforms make is kept on disk until it has arrived." }),
    key_suffix: Type.String({ description: "Appended to every key; empty for nothing." }),
  },
  { $id: "Pipeline" },
);
const Pipelines = Type.Object({ pipelines: Type.Array(Pipeline) }, { $id: "Pipelines" });

/** What bounds the service as a whole, and what clients may name. */
export async function limitRoutes(app: App, { service, options }: HttpContext): Promise<void> {
  const limits = () => renamed({ ...service.limits }, snake) as Static<typeof Limits>;

  app.get(
    "/limits",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getLimits",
        summary: "What this service may send, over all uploads",
        tags: ["service"],
        response: answers({ 200: saying("The limits as they are now.", Limits) }),
      },
    },
    async () => limits(),
  );

  app.put(
    "/limits",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "setLimits",
        summary: "Change what this service may send, until it ends",
        description: "What is left out stays as it is.",
        tags: ["service"],
        body: ChangeLimits,
        response: answers({ 200: saying("The limits as they are now.", Limits) }, 413, 415, 422),
      },
    },
    async ({ body }) => {
      service.setLimits(renamed(body, camel) as ServiceLimits);
      return limits();
    },
  );

  app.get(
    "/roots",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getRoots",
        summary: "Folders and buckets that clients may name",
        tags: ["service"],
        response: answers({ 200: saying("What may be named.", Roots) }),
      },
    },
    async () => ({ roots: [...(service.allowedRoots ?? [])], buckets: options.buckets ? [...options.buckets] : null }),
  );

  pipelineRoute(app, service);
}

function pipelineRoute(app: App, service: HttpContext["service"]): void {
  app.get(
    "/pipelines",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listPipelines",
        summary: "Pipelines that uploads may name, with their steps",
        tags: ["service"],
        response: answers({ 200: saying("The pipelines of the service.", Pipelines) }),
      },
    },
    async () => ({
      pipelines: service.pipelines.map(({ name, steps, spool, keySuffix }) => {
        return { name, steps: steps.map((step) => ({ ...step })), spool, key_suffix: keySuffix };
      }),
    }),
  );
}
