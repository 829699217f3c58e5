import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { App, HttpContext } from "../context.ts";
import { dashboardFolder } from "../dashboard-files.ts";

const CONFIG = { scope: "read", page: "dashboard" } as const;
/** Names of assets change with their content. They need a session, so that no cache may share them. */
const FOR_EVER = "private, max-age=31536000, immutable";

/** `/`: the dashboard for browsers, and for programs where everything else is. */
export async function dashboardRoutes(app: App, { options }: HttpContext): Promise<void> {
  const folder = options.dashboard === false ? null : dashboardFolder();
  if (folder === null && options.dashboard !== false)
    app.log.warn("the dashboard has not been built: / answers programs only; npm run build builds it");
  const page = folder === null ? null : await readFile(join(folder, "index.html"));

  app.get("/", { config: CONFIG, schema: { hide: true } }, async (request, reply) => {
    reply.header("vary", "accept").header("cache-control", "no-cache");
    if (!page || !wantsHtml(request)) return linksOf(request, app.prefix);
    const { pathname } = new URL(request.url, "http://localhost");
    // The page's addresses are relative to it, so that they hold behind proxies that strip a prefix, too.
    if (!pathname.endsWith("/")) return reply.redirect(`${pathname.slice(pathname.lastIndexOf("/") + 1)}/`);
    return reply.type("text/html; charset=utf-8").send(page);
  });

  if (folder !== null) await assetRoutes(app, folder);
}

/** In a scope of its own, as everything that is added there needs a session. */
async function assetRoutes(app: App, folder: string): Promise<void> {
  const add: FastifyPluginAsync = async (scope) => {
    scope.addHook("onRoute", (route) => {
      route.config = { ...route.config, ...CONFIG };
    });
    await scope.register(fastifyStatic, {
      root: join(folder, "assets"),
      prefix: "/assets/",
      // The host may have decorated its replies itself.
      decorateReply: false,
      schemaHide: true,
      index: false,
      preCompressed: true,
      cacheControl: false,
      setHeaders: (reply) => {
        reply.header("cache-control", FOR_EVER);
      },
    });
  };
  await app.register(add);
}

/** Programs that take anything get JSON. */
function wantsHtml({ headers }: FastifyRequest): boolean {
  return /\btext\/html\b/.test(headers.accept ?? "");
}

function linksOf({ principal }: FastifyRequest, prefix: string): object {
  return {
    service: "bucketline",
    ...(principal && { caller: principal.name }),
    links: {
      uploads: `${prefix}/api/v1/uploads`,
      events: `${prefix}/api/v1/events`,
      health: `${prefix}/health`,
      ready: `${prefix}/ready`,
      metrics: `${prefix}/metrics`,
      openapi: `${prefix}/openapi.json`,
      docs: `${prefix}/docs`,
    },
  };
}
