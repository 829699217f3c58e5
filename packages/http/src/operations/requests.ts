import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "../context.ts";

/** How a request ended. */
export interface Ending {
  /** 499: the client went before it was answered. */
  readonly status: number;
  /** The answer was begun and not finished. */
  readonly aborted: boolean;
  readonly seconds: number;
}

/** Sees a request come. @returns sees it end, whichever way it does */
export type Observer = (request: FastifyRequest, reply: FastifyReply) => (ending: Ending) => void;

const CLIENT_GONE = 499;

/** Shows the observer every request of the routes that are added after this, refused ones and event streams, too. */
export function observeRequests(app: Pick<App, "addHook">, observer: Observer): void {
  app.addHook("onRequest", (request, reply, done) => {
    const begun = performance.now();
    const end = observer(request, reply);
    const { raw } = reply;
    raw.once("close", () => {
      const aborted = !raw.writableFinished;
      const status = aborted && !raw.headersSent ? CLIENT_GONE : raw.statusCode;
      end({ status, aborted, seconds: (performance.now() - begun) / 1000 });
    });
    done();
  });
}

/** The pattern of the route below a prefix, one for all its aliases with a slash at the end; never what the client wrote. */
export function routeOf({ routeOptions, is404 }: FastifyRequest, prefix = ""): string {
  const { url } = routeOptions;
  if (is404 || url === undefined) return "none";
  const below = url.startsWith(prefix) ? url.slice(prefix.length) : url;
  return below.length > 1 ? below.replace(/\/$/, "") : "/";
}

export function isEventStream({ raw }: FastifyReply): boolean {
  return String(raw.getHeader("content-type")).startsWith("text/event-stream");
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Whatever else clients make up is one. */
export function methodOf({ method }: FastifyRequest): string {
  return METHODS.has(method) ? method : "OTHER";
}
