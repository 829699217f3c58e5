import type { FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import type { App } from "./context.ts";
import { HttpError, problemOf } from "./errors.ts";
import { API } from "./routes/define.ts";

const PROBLEM = "application/problem+json; charset=utf-8";
/** Nobody reads it; for logs and metrics, as other servers write it. */
const CLIENT_GONE = 499;
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** Every refusal and failure of the plugin's routes is a problem document, with the request's id as in the log. */
export function answerProblems(app: App, whole: boolean): void {
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  if (whole) app.setNotFoundHandler(notFound);
}

/** @param error whatever was thrown */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (request.raw.socket.destroyed) {
    request.log.debug({ err: error }, "the client has gone");
    return reply.code(CLIENT_GONE).send();
  }
  const problem = problemOf(error, request.id);
  if (problem.status >= 500) request.log.error({ err: error }, problem.title);
  else request.log.info({ code: problem.code, detail: problem.detail }, "request refused");
  if (error instanceof HttpError) reply.headers(error.headers);
  if (problem.status === 503 && !reply.hasHeader("retry-after")) reply.header("retry-after", "5");
  return reply.code(problem.status).type(PROBLEM).send(JSON.stringify(problem));
}

function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = new HttpError("ROUTE_NOT_FOUND", `There is no ${request.method} ${pathOf(request)}.`);
  return sendProblem(error, request, reply);
}

function pathOf({ url }: FastifyRequest): string {
  const [path = ""] = url.split("?");
  return path.length > 200 ? `${path.slice(0, 200)}…` : path;
}

/**
 * Answers 405, with the header Allow, to methods that a path of ours does not take, and 404 to unknown paths of the API.
 * @returns to be called once all routes are there
 */
export function refuseOtherMethods(app: App, whole: boolean): () => void {
  const paths = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method, config }) => {
    if (config?.refusal) return;
    const methods = paths.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    paths.set(url, methods);
  });
  const refuse = (url: string, method: readonly string[], handler: RouteOptions["handler"]) =>
    app.route({
      // Fastify puts the prefix before it again.
      url: url.slice(app.prefix.length),
      method: [...method],
      schema: { hide: true },
      config: { scope: "read", refusal: true },
      exposeHeadRoute: false,
      prefixTrailingSlash: "slash",
      handler,
    });
  return () => {
    for (const [url, methods] of [...paths]) {
      // A host's own front page may take other methods.
      if (url === "/" && !whole) continue;
      const taken = (method: string) =>
        methods.has(method) || app.hasRoute({ url, method }) || isTakenByPattern(paths, url, method);
      const allow = METHODS.filter(taken).join(", ");
      const others = METHODS.filter((method) => !taken(method));
      if (others.length > 0) refuse(url, others, notAllowed(allow));
    }
    refuse(`${app.prefix}${API}/*`, METHODS, notFound);
  };
}

function notAllowed(allow: string) {
  return (request: FastifyRequest): never => {
    const message = `${pathOf(request)} does not take ${request.method}, but ${allow}.`;
    throw new HttpError("METHOD_NOT_ALLOWED", message, { headers: { allow } });
  };
}

/** Whether a path such as `/uploads/plan` is that of an upload, too, for this method. */
function isTakenByPattern(paths: ReadonlyMap<string, ReadonlySet<string>>, url: string, method: string): boolean {
  for (const [pattern, methods] of paths) {
    if (pattern === url || !pattern.includes(":") || !methods.has(method)) continue;
    const parts = pattern.split("/");
    const own = url.split("/");
    if (parts.length === own.length && parts.every((part, at) => part.startsWith(":") || part === own[at])) return true;
  }
  return false;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answers what no route takes. */
    refusal?: true;
  }
}
