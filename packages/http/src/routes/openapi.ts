import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { App, HttpContext } from "../context.ts";
import { NamedSchemas, resolved, withSecurity } from "../documents/openapi.ts";
import { redocPage, redocScript } from "../documents/redoc.ts";
import { scoped } from "./define.ts";

const INFO = {
  title: "Bucketline",
  version: "1.0.0",
  description:
    "Keeps folders flowing into S3. Every path below `/api/v1` answers without that prefix, too, and with a slash at its end. Refusals and failures are problem documents (RFC 9457) with a stable `code`.",
  license: { name: "MIT", identifier: "MIT" },
};

const TAGS = [
  { name: "uploads", description: "Folders that flow into a bucket." },
  { name: "files", description: "Files of an upload, and what befell them." },
  { name: "events", description: "What happens, as it happens (Server-Sent Events)." },
  { name: "webhooks", description: "Notices to subscribers, and what could not be delivered." },
  { name: "session", description: "Logging in from a browser." },
  { name: "service", description: "The service itself." },
];

/** Collects the routes that are added from here on into an OpenAPI document. */
export async function openApi(app: App, { options }: HttpContext): Promise<void> {
  const named = new NamedSchemas();
  const { auth } = options;
  const hasAuth = auth !== undefined;
  // What the host goes by is not known here.
  const hasOwn = auth?.tokens !== undefined || auth?.jwt !== undefined;
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: INFO,
      tags: TAGS,
      ...(app.prefix === "" ? {} : { servers: [{ url: app.prefix }] }),
      components: hasOwn ? { securitySchemes: SECURITY_SCHEMES } : {},
      ...(hasOwn ? { security: [{ bearer: [] }, { session: [] }] } : {}),
    },
    hideUntagged: true,
    convertConstToEnum: false,
    transform: ({ schema, url, route }) => ({ schema: named.mark(withSecurity(schema ?? {}, route, hasAuth)), url }),
    transformObject: (document) => {
      const { components, ...rest } = "openapiObject" in document ? document.openapiObject : {};
      const schemas = named.components();
      return resolved({ ...rest, components: { ...components, schemas } }) as object;
    },
  });
}

const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer", description: "A token of the service, or a JSON Web Token." },
  session: {
    type: "apiKey",
    in: "cookie",
    name: "bucketline_session",
    description: "As `POST /api/v1/session` sets it; its name may differ by port, protocol and prefix.",
  },
} as const;

/** The document itself, and ReDoc. */
export async function openApiRoutes(app: App, { options }: HttpContext): Promise<void> {
  app.get("/openapi.json", { config: { scope: "read" }, schema: { hide: true } }, async () => app.swagger());
  if (options.docs === false) return;
  const config = { scope: "read", page: "redoc" } as const;
  let script: Promise<string> | undefined;
  app.get("/redoc", { config, schema: { hide: true } }, async (_request, reply) =>
    reply.type("text/html; charset=utf-8").send(redocPage(app.prefix)),
  );
  app.get("/redoc/redoc.standalone.js", { config, schema: { hide: true } }, async (_request, reply) => {
    script ??= redocScript().catch((error: unknown) => {
      script = undefined;
      throw error;
    });
    return reply.type("text/javascript; charset=utf-8").send(await script);
  });
}

/** Swagger UI, which adds what has a slash at its end by itself. */
export async function swaggerUiRoutes(app: App, { options }: HttpContext): Promise<void> {
  if (options.docs === false) return;
  await scoped(app, async (scope) => {
    scope.addHook("onRoute", (route) => {
      route.config = { ...route.config, scope: "read", page: "swagger" };
    });
    await scope.register(swaggerUi, {
      routePrefix: "/docs",
      indexPrefix: app.prefix,
      uiConfig: { deepLinking: true, persistAuthorization: false },
    });
  });
}
