import type { RouteOptions } from "fastify";
import type { App } from "../context.ts";

/** Where the API is documented; the root answers the same. */
export const API = "/api/v1";

type Add = (app: App) => Promise<void>;

/**
 * Adds the routes of the API. `add` is called once and names them from the root, such as `/uploads`; they answer below
 * `/api/v1`, too, and each with a slash at its end as well, so that hosts need not set `ignoreTrailingSlash`. Only the
 * ones below `/api/v1` are documented.
 */
export async function defineApi(app: App, add: Add): Promise<void> {
  await scoped(app, async (scope) => {
    scope.addHook("onRoute", (route) => {
      // Aliases, and HEAD, which Fastify itself adds for each GET, come this way again.
      if (route.config?.alias || isHead(route)) return;
      const { schema } = route;
      hide(route);
      const path = pathOf(scope, route);
      again(scope, route, `${API}${path}`, schema);
      slashed(scope, route, `${API}${path}`);
      slashed(scope, route, path);
    });
    await add(scope);
  });
}

/** Adds routes that stand at the root only, each with a slash at its end as well. */
export async function definePages(app: App, add: Add): Promise<void> {
  await scoped(app, async (scope) => {
    scope.addHook("onRoute", (route) => {
      if (!route.config?.alias && !isHead(route)) slashed(scope, route, pathOf(scope, route));
    });
    await add(scope);
  });
}

/** Adds what `add` adds with hooks that hold for just that. */
export async function scoped(app: App, add: Add): Promise<void> {
  // biome-ignore lint/nursery/noMisusedPromises: Fastify waits for plugins that return a promise
  await app.register((scope) => add(scope));
}

/** Without the prefix of the plugin. */
function pathOf(scope: App, { url }: RouteOptions): string {
  return url.slice(scope.prefix.length);
}

function slashed(scope: App, route: RouteOptions, path: string): void {
  const { ignoreTrailingSlash, routerOptions } = scope.initialConfig;
  if (ignoreTrailingSlash || routerOptions?.ignoreTrailingSlash) return;
  // Of the front page below a prefix, whose path is empty here, Fastify itself adds the one with a slash.
  if (path === "" || path.endsWith("/") || path.endsWith("*")) return;
  again(scope, route, `${path}/`, { ...route.schema, hide: true });
}

function again(scope: App, route: RouteOptions, url: string, schema: RouteOptions["schema"]): void {
  // Fastify makes prefix, path and routePath anew.
  scope.route({ ...route, url, schema: schema ?? {}, config: { ...route.config, alias: true } });
}

function hide(route: RouteOptions): void {
  route.schema = { ...route.schema, hide: true };
}

function isHead({ method }: RouteOptions): boolean {
  return method === "HEAD";
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** The same as another route, under another path. */
    alias?: true;
  }
}
