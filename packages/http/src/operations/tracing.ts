import { BucketlineError, InputError } from "@bucketline/core";
import { traceUploads } from "@bucketline/core/tracing";
import type { Attributes, SpanKind, SpanStatusCode, Tracer } from "@opentelemetry/api";
import type { FastifyRequest } from "fastify";
import type { App, HttpContext } from "../context.ts";
import { HttpError } from "../errors.ts";
import type { TracingOptions } from "../options.ts";
import { methodOf, type Observer, observeRequests, routeOf } from "./requests.ts";
import { parentOf, traceparentOf } from "./trace-context.ts";

/** Of the API, which is here for its types only. */
const SERVER: SpanKind.SERVER = 1;
const CLIENT: SpanKind.CLIENT = 2;
const ERROR: SpanStatusCode.ERROR = 2;

const MAX_TEXT = 200;

/**
 * One server span for each request, and those of uploads. @returns stops the latter
 * @throws InputError `INVALID_OPTION`
 */
export function traceAll(app: App, { service, options }: HttpContext): () => void {
  const { tracing } = options;
  if (!tracing) return () => {};
  const tracer = tracerOf(tracing);
  const codes = new WeakMap<FastifyRequest, string>();
  observeRequests(app, requestSpans(tracer, codes));
  app.addHook("onError", async (request, _reply, error) => {
    if (error instanceof BucketlineError || error instanceof HttpError) codes.set(request, error.code);
  });
  return tracing.uploads === false ? () => {} : traceUploads(service, tracer);
}

function tracerOf({ tracer }: TracingOptions): Tracer {
  if (typeof tracer?.startSpan !== "function")
    throw new InputError("INVALID_OPTION", "Option tracing.tracer must be a tracer of @opentelemetry/api.");
  // The options name no type of the API, which is an optional dependency.
  return tracer as Tracer;
}

/** Named and described as OpenTelemetry's semantic conventions for HTTP (1.23 and later) say; queries are left out. */
function requestSpans(tracer: Tracer, codes: WeakMap<FastifyRequest, string>): Observer {
  return (request) => {
    const route = routeOf(request);
    const method = methodOf(request);
    const name = route === "none" ? method : `${method} ${route}`;
    const attributes: Attributes = {
      ...attributesOf(request, method),
      ...(route !== "none" && { "http.route": route }),
    };
    const span = tracer.startSpan(name, { kind: SERVER, attributes }, parentOf(request.headers.traceparent));
    return ({ status, aborted }) => {
      span.setAttributes({
        "http.response.status_code": status,
        ...(request.principal && { "enduser.id": request.principal.name }),
        ...(aborted && { "bucketline.http.aborted": true }),
      });
      const code = codes.get(request);
      if (code !== undefined) span.setAttribute("bucketline.error.code", code);
      if (status >= 500) {
        span.setAttribute("error.type", code ?? String(status));
        span.setStatus({ code: ERROR });
      }
      span.end();
    };
  };
}

function attributesOf(request: FastifyRequest, method: string): Attributes {
  const { url, headers, protocol, raw, ip } = request;
  const agent = headers["user-agent"];
  return {
    "http.request.method": method === "OTHER" ? "_OTHER" : method,
    "url.path": short(url.split("?", 1)[0] ?? ""),
    "url.scheme": protocol,
    "client.address": ip,
    "network.protocol.version": raw.httpVersion,
    "bucketline.request.id": request.id,
    ...(agent !== undefined && { "user_agent.original": short(agent) }),
  };
}

function short(text: string): string {
  return text.slice(0, MAX_TEXT);
}

/** As `fetch`, with one client span for each request, which the receiver's own can be part of. */
export function tracedFetch({ options }: HttpContext): typeof fetch {
  const { tracing } = options;
  if (!tracing) return globalThis.fetch;
  const tracer = tracerOf(tracing);
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const method = init.method ?? "GET";
    const attributes = {
      "http.request.method": method,
      "server.address": url.hostname,
      "server.port": Number(url.port || (url.protocol === "https:" ? 443 : 80)),
    };
    const span = tracer.startSpan(method, { kind: CLIENT, attributes });
    const headers = new Headers(init.headers);
    headers.set("traceparent", traceparentOf(span.spanContext()));
    try {
      const response = await globalThis.fetch(input, { ...init, headers });
      span.setAttribute("http.response.status_code", response.status);
      if (response.status >= 400) {
        span.setAttribute("error.type", String(response.status));
        span.setStatus({ code: ERROR });
      }
      return response;
    } catch (error) {
      span.setAttribute("error.type", error instanceof Error ? error.name : "_OTHER");
      span.setStatus({ code: ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
}
