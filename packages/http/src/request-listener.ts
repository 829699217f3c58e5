import type { IncomingMessage, ServerResponse } from "node:http";
import { type AppOptions, makeApp } from "./app.ts";

/** The API and the dashboard as a function for `node:http`. */
export interface BucketlineListener {
  /**
   * Answers one request, whatever it asks for: whoever calls it decides which requests those are. Takes them as Node.js has them, from
   * `node:http` or from Express and its like, even where those have taken the prefix off the address. Nobody may have read the body.
   */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
  /** Ends event streams. Comes before the host's server is closed, which would wait for them. Does not stop the service. */
  close(): Promise<void>;
}

/**
 * The whole of `createServer` for a server that somebody else has: Express, Connect, `node:http`. What belongs to the server itself, that is
 * where it listens and how long requests may take to come, is that server's.
 * @throws InputError `INVALID_OPTION`
 */
export async function createRequestListener(options: AppOptions): Promise<BucketlineListener> {
  const app = await makeApp(options);
  await app.ready();
  return {
    listener(request, response) {
      // Express and Connect take off what a handler is mounted at, and keep the whole address here.
      if ("originalUrl" in request && typeof request.originalUrl === "string") request.url = request.originalUrl;
      app.routing(request, response);
    },
    close: () => app.close(),
  };
}
