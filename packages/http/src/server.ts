import type { AddressInfo } from "node:net";
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import { requestId } from "./access/headers.ts";
import { checkListening } from "./access/hosts.ts";
import { refuseBrokenRequest } from "./client-errors.ts";
import { logRequests } from "./operations/request-log.ts";
import type { HttpOptions } from "./options.ts";
import { mount } from "./plugin.ts";
import { sendProblem } from "./problems.ts";

export interface ServerOptions extends HttpOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. Default 8080. */
  readonly port?: number;
  /** Where requests are logged; pino's shape. Default: nowhere. */
  readonly logger?: FastifyBaseLogger;
  /** How long requests in flight may take once it is closed, in milliseconds. Default: 10 s. */
  readonly closeTimeout?: number;
  /**
   * Proxies whose `X-Forwarded-*` headers are believed, as addresses or networks; as Fastify's option of the same name.
   * Default: none.
   */
  readonly trustProxy?: string | readonly string[];
}

export interface BucketlineServer {
  /** Where it answers, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly app: FastifyInstance;
  /** Takes no more requests, ends event streams, lets the others finish, and then closes. Does not stop the service. */
  close(): Promise<void>;
}

/** Ids of files are as long as their paths. */
const MAX_PARAM_LENGTH = 16_384;
/**
 * From its first byte to its last, answer not included, in milliseconds. Without it, whoever sends a body byte by byte to the login,
 * which is open to all, keeps a connection for ever.
 */
const REQUEST_TIMEOUT = 60_000;

/**
 * A server of its own for one upload service; resolves once it listens. The service is started and stopped by the host.
 * @throws InputError `INVALID_OPTION` · HttpError `AUTH_REQUIRED` · what listening fails with, such as `EADDRINUSE`
 */
export async function createServer(options: ServerOptions): Promise<BucketlineServer> {
  const { host = "127.0.0.1", port = 8080, logger, closeTimeout = 10_000, trustProxy, ...rest } = options;
  checkListening(host, options);
  const app: FastifyInstance = fastify({
    ...(logger ? { loggerInstance: logger } : {}),
    ...(trustProxy === undefined ? {} : { trustProxy: [trustProxy].flat() as string[] }),
    // Fastify's own lines hold whole URLs.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    requestTimeout: REQUEST_TIMEOUT,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // Requests that come while others finish are answered, too; a closed service says so itself.
    return503OnClosing: false,
    clientErrorHandler: refuseBrokenRequest,
    // Comes before all hooks, so these headers are not set yet.
    frameworkErrors: (error, request, reply) => {
      reply.headers({ "x-request-id": request.id, "x-content-type-options": "nosniff", "cache-control": "no-store" });
      sendProblem(error, request, reply);
    },
  });
  if (logger) logRequests(app);
  try {
    // biome-ignore lint/nursery/noMisusedPromises: Fastify waits for plugins that return a promise
    await app.register((instance) => mount(instance, rest, true));
    await app.listen({ host, port });
  } catch (error) {
    await app.close().catch(() => {});
    throw error;
  }
  return { url: urlOf(app.server.address() as AddressInfo), app, close: () => close(app, closeTimeout) };
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

async function close(app: FastifyInstance, timeout: number): Promise<void> {
  const late = setTimeout(() => app.server.closeAllConnections(), timeout);
  try {
    await app.close();
  } finally {
    clearTimeout(late);
  }
}
