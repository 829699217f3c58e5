import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify, { type FastifyInstance, type FastifyServerOptions, type RouteOptions } from "fastify";
import type { App } from "../../src/context.ts";
import { bucketline, type HttpOptions } from "../../src/index.ts";

export interface HostOptions {
  readonly server?: FastifyServerOptions;
  /** Called for each route, of the host and of the plugin. */
  readonly onRoute?: (route: RouteOptions) => void;
  /** Adds what the host itself has, before the plugin. */
  readonly own?: (app: FastifyInstance) => void;
}

/** A host's own server with the plugin in it; does not listen. */
export async function hosted(
  options: HttpOptions & { readonly prefix?: string },
  { server = {}, onRoute = () => {}, own = () => {} }: HostOptions = {},
): Promise<App> {
  const app: App = fastify(server).withTypeProvider<TypeBoxTypeProvider>();
  app.addHook("onRoute", onRoute);
  own(app);
  // biome-ignore lint/nursery/noMisusedPromises: Fastify waits for plugins that return a promise
  await app.register(bucketline, options);
  await app.ready();
  return app;
}
