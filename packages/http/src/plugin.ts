import { InputError, UploadService } from "@bucketline/core";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { accessControl } from "./access/control.ts";
import { bodies } from "./bodies.ts";
import type { App, HttpContext } from "./context.ts";
import { observed } from "./operations/observed.ts";
import type { HttpOptions } from "./options.ts";
import { answerProblems, refuseOtherMethods } from "./problems.ts";
import { dashboardRoutes } from "./routes/dashboard.ts";
import { defineApi, definePages } from "./routes/define.ts";
import { eventRoutes } from "./routes/events.ts";
import { exportRoutes } from "./routes/export.ts";
import { fileRoutes } from "./routes/files.ts";
import { healthRoutes } from "./routes/health.ts";
import { limitRoutes } from "./routes/limits.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { noticeRoutes } from "./routes/notices.ts";
import { openApi, openApiRoutes, swaggerUiRoutes } from "./routes/openapi.ts";
import { sessionRoutes } from "./routes/session.ts";
import { steeringRoutes } from "./routes/steering.ts";
import { uploadRoutes } from "./routes/uploads.ts";
import { validatorCompiler } from "./validation.ts";
import { registerWebhooks } from "./webhooks/registered.ts";

/**
 * A Fastify plugin: REST API, OpenAPI, live events, dashboard, health, metrics and webhooks of one upload service. Its
 * checks, headers and limits hold for its own routes only. Register it with a `prefix` to keep it off a host's own routes.
 * Neither starts nor stops the service. With webhooks, `await` its registration before the service is started.
 * @throws InputError `INVALID_OPTION` · ServiceError `SERVICE_STARTED` with webhooks, when the service has been started
 */
export async function bucketline(instance: FastifyInstance, options: HttpOptions): Promise<void> {
  await mount(instance, options, instance.prefix !== "");
}

/** @param whole whether everything below the prefix is ours, so that we say what is not found there */
export async function mount(instance: FastifyInstance, options: HttpOptions, whole: boolean): Promise<void> {
  checkOptions(options);
  const app: App = instance.withTypeProvider<TypeBoxTypeProvider>();
  const context: HttpContext = { service: options.service, options };
  app.setValidatorCompiler(validatorCompiler);
  // Answers are made of views, which name every field: nothing needs to be left out by a schema.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  bodies(app, options);
  answerProblems(app, whole);
  const finish = refuseOtherMethods(app, whole);
  await openApi(app, context);
  // Sees what is refused, too.
  observed(app, context);
  await accessControl(app, context);
  registerWebhooks(app, context);
  await defineApi(app, async (api) => {
    for (const add of API_ROUTES) await add(api, context);
  });
  await definePages(app, async (pages) => {
    for (const add of PAGE_ROUTES) await add(pages, context);
  });
  await swaggerUiRoutes(app, context);
  finish();
}

/** @throws InputError `INVALID_OPTION` */
function checkOptions({ service, bodyLimit }: HttpOptions): void {
  if (!(service instanceof UploadService))
    throw new InputError("INVALID_OPTION", "Option service must be an UploadService.");
  if (bodyLimit !== undefined && !(Number.isSafeInteger(bodyLimit) && bodyLimit > 0))
    throw new InputError("INVALID_OPTION", "Option bodyLimit must be a whole number of bytes above 0.");
}

const API_ROUTES = [
  uploadRoutes,
  steeringRoutes,
  fileRoutes,
  limitRoutes,
  exportRoutes,
  eventRoutes,
  noticeRoutes,
  sessionRoutes,
];

const PAGE_ROUTES = [healthRoutes, metricsRoutes, openApiRoutes, dashboardRoutes];
