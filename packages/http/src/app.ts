import { InputError } from "@bucketline/core";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import { requestId } from "./access/headers.ts";
import { refuseBrokenRequest } from "./client-errors.ts";
import { HttpError } from "./errors.ts";
import { logRequests } from "./operations/request-log.ts";
import type { HttpOptions } from "./options.ts";
import { mount } from "./plugin.ts";
import { sendProblem } from "./problems.ts";

/** Of what stands by itself, in a server of its own or below one that is not Fastify's. */
export interface AppOptions extends HttpOptions {
  /**
   * Path below which everything answers, pages and probes too, such as `/uploads`; as behind a proxy that leaves paths as they are.
   * Segments of letters, digits and `._~-`. Default: none.
   */
  readonly prefix?: string;
  /** Where requests are logged; pino's shape. Default: nowhere. */
  readonly logger?: FastifyBaseLogger;
  /**
   * Proxies whose `X-Forwarded-*` headers are believed, as addresses or networks; as Fastify's option of the same name.
   * Default: none.
   */
  readonly trustProxy?: string | readonly string[];
}

/** Ids of files are as long as their paths. */
const MAX_PARAM_LENGTH = 16_384;
/**
 * From its first byte to its last, answer not included, in milliseconds. Without it, whoever sends a body byte by byte to the login,
 * which is open to all, keeps a connection for ever.
 */
const REQUEST_TIMEOUT = 60_000;

/**
 * A Fastify instance that answers for one upload service and nothing else. It does not listen yet.
 * @throws InputError `INVALID_OPTION`
 */
export async function makeApp({ logger, trustProxy, prefix: given, ...options }: AppOptions): Promise<FastifyInstance> {
  const prefix = prefixOption(given);
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
    frameworkErrors: refuse,
  });
  if (logger) logRequests(app);
  if (prefix !== "") refuseOutside(app);
  try {
    // biome-ignore lint/nursery/noMisusedPromises: Fastify waits for plugins that return a promise
    await app.register((instance) => mount(instance, options, true), { prefix });
  } catch (error) {
    await app.close().catch(() => {});
    throw error;
  }
  return app;
}

/** What is not below the prefix is nowhere, and says so as everything else does. */
function refuseOutside(app: FastifyInstance): void {
  app.setErrorHandler(refuse);
  app.setNotFoundHandler((request, reply) => {
    refuse(new HttpError("ROUTE_NOT_FOUND", "There is nothing at this path."), request, reply);
  });
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ "x-request-id": request.id, "x-content-type-options": "nosniff", "cache-control": "no-store" });
  sendProblem(error, request, reply);
}

/** @throws InputError `INVALID_OPTION` */
function prefixOption(prefix = ""): string {
  if (prefix === "" || prefix === "/") return "";
  const segments = typeof prefix === "string" ? prefix.replace(/\/$/, "").split("/").slice(1) : [];
  // Browsers take segments of dots away, and a colon or an asterisk would be a pattern.
  const isGood = segments.length > 0 && segments.every((segment) => /^(?!\.{1,2}$)[A-Za-z0-9._~-]+$/.test(segment));
  if (isGood && prefix.startsWith("/")) return `/${segments.join("/")}`;
  throw new InputError(
    "INVALID_OPTION",
    `Option prefix must be a path such as /uploads, of letters, digits and ._~-, not ${JSON.stringify(prefix)}.`,
  );
}
