import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { checkListening } from "./access/hosts.ts";
import { type AppOptions, makeApp } from "./app.ts";

export interface ServerOptions extends AppOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0: any free one. Default 8080. */
  readonly port?: number;
  /** How long requests in flight may take once it is closed, in milliseconds. Default: 10 s. */
  readonly closeTimeout?: number;
}

/** A server that listens. */
export interface BucketlineServer {
  /** Where it answers, with the prefix if there is one, such as `http://127.0.0.1:8080/uploads`. */
  readonly url: string;
  readonly app: FastifyInstance;
  /** Takes no more requests, ends event streams, lets the others finish, and then closes. Does not stop the service. */
  close(): Promise<void>;
}

/**
 * A server of its own for one upload service; resolves once it listens. The service is started and stopped by the host.
 * @throws InputError `INVALID_OPTION` · HttpError `AUTH_REQUIRED` · what listening fails with, such as `EADDRINUSE`
 */
export async function createServer(options: ServerOptions): Promise<BucketlineServer> {
  const { host = "127.0.0.1", port = 8080, closeTimeout = 10_000, ...rest } = options;
  checkListening(host, options);
  const app = await makeApp(rest);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close().catch(() => {});
    throw error;
  }
  const path = options.prefix?.replace(/\/$/, "") ?? "";
  const url = `${urlOf(app.server.address() as AddressInfo)}${path}`;
  return { url, app, close: () => close(app, closeTimeout) };
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
