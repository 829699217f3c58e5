import { readFile } from "node:fs/promises";
import {
  type AuthOptions,
  createServer,
  type ServerOptions,
  type TokenOptions,
  type WebhookOptions,
} from "@bucketline/http";
import { makeLogger } from "../assembly/log.ts";
import { makeService } from "../assembly/service.ts";
import { explainBusy } from "../assembly/stores.ts";
import type { Config } from "../config/config.ts";
import type { Context } from "../context.ts";
import { CommandError, EXIT, UsageError } from "../errors.ts";
import { tellEvents } from "../output/event-lines.ts";
import { printable } from "../output/printable.ts";
import { untilStopped } from "../transfer/until-stopped.ts";

/** Runs the service with its HTTP API until it is stopped. */
export async function run(context: Context): Promise<undefined> {
  const { config, output, signal, cut } = context;
  const http = await serverOptions(config);
  const { roots } = config.values;
  const logger = makeLogger(config, "info");
  const options = { logger, ...(roots && { allowedRoots: roots }) };
  const service = await makeService(context, { bucket: true, makesLedger: true, options });
  tellEvents(service, output);
  try {
    const server = await listen({ ...http, service, logger });
    const closeAtOnce = () => server.app.server.closeAllConnections();
    cut.addEventListener("abort", closeAtOnce, { once: true });
    try {
      await service.start({ signal });
      output.record({ event: "listening", url: server.url });
      output.line(`Bucketline answers at ${server.url}`);
      if (!roots) output.note("Clients may name no folder: name those they may with --root or BUCKETLINE_ROOTS.");
      await untilStopped(context);
    } finally {
      await server.close();
      cut.removeEventListener("abort", closeAtOnce);
    }
  } catch (error) {
    throw explainBusy(error, config);
  } finally {
    await service.stop({ signal: cut });
  }
  // A service that was told to end, and did, has done what it was to do.
  cut.throwIfAborted();
}

/** @throws CommandError `CANNOT_LISTEN` */
async function listen(options: ServerOptions) {
  try {
    return await createServer(options);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error && error.syscall === "listen")) throw error;
    const remedy = "Take another port or address with --port and --host; 0 is any free port.";
    throw new CommandError("CANNOT_LISTEN", EXIT.usage, printable(error.message), { cause: error, remedy });
  }
}

/** What the settings below `http` say, but for the folders. @throws UsageError */
async function serverOptions({ values }: Config): Promise<Omit<ServerOptions, "service">> {
  const { listenHost, listenPort, httpPrefix, buckets, allowedHosts, trustProxy, webhooksFile } = values;
  const auth = await authOptions(values);
  return {
    host: listenHost,
    port: listenPort,
    ...(httpPrefix !== undefined && { prefix: httpPrefix }),
    ...(auth && { auth }),
    ...(buckets && { buckets }),
    ...(allowedHosts && { allowedHosts }),
    ...(trustProxy && { trustProxy }),
    ...(webhooksFile !== undefined && { webhooks: await listIn<WebhookOptions>("webhooks", webhooksFile) }),
  };
}

/** Hashes only: the tokens themselves stay with whoever uses them. */
async function authOptions(values: Config["values"]): Promise<AuthOptions | undefined> {
  const { tokenHash, tokensFile, jwtIssuer: issuer, jwtAudience: audience } = values;
  if ((issuer === undefined) !== (audience === undefined))
    throw new UsageError("JWTs need both http.jwt_issuer and http.jwt_audience.");
  const tokens: readonly TokenOptions[] = [
    ...(tokenHash !== undefined ? [{ name: "admin", sha256: tokenHash, scopes: ["admin"] as const }] : []),
    ...(tokensFile === undefined ? [] : await listIn<TokenOptions>("tokens", tokensFile)),
  ];
  if (tokens.length === 0 && issuer === undefined) return undefined;
  return { tokens, ...(issuer !== undefined && audience !== undefined && { jwt: { issuer, audience } }) };
}

/** What is in the list is checked by the server. @throws UsageError */
async function listIn<T>(what: string, path: string): Promise<T[]> {
  // The message of a parser may quote what the file holds, and it holds secrets.
  const list: unknown = await readFile(path, "utf8")
    .then(JSON.parse)
    .catch(() => undefined);
  if (!Array.isArray(list))
    throw new UsageError(`The file of ${what}, ${printable(path)}, must be a readable JSON file with a list.`);
  return list;
}
