import type { Logger, UploadService } from "@bucketline/core";
import type { BucketlineServer } from "../server.ts";

/** What is stopped, and when. */
export interface StopOptions {
  readonly server: Pick<BucketlineServer, "app" | "close">;
  readonly service: Pick<UploadService, "stop">;
  /** Default: SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[];
  /** How long it may all take, in milliseconds; then it is cut short as by a second signal. Default: 25 s. */
  readonly timeout?: number;
  /** Told of what is done. Default: nobody. */
  readonly logger?: Logger;
}

/**
 * Waits for a signal and stops, in this order: the server takes no more connections, ends event streams and lets requests in
 * flight finish; then the service begins nothing new, lets what is in flight finish and be recorded, gives the rest back, and
 * closes its stores. A second signal cuts connections and requests at once, a third has the system's own effect. Nothing is
 * lost either way.
 * @returns the signal, when all is stopped
 */
export async function stopOnSignal(options: StopOptions): Promise<NodeJS.Signals> {
  const { server, service, logger, signals = ["SIGTERM", "SIGINT"], timeout = 25_000 } = options;
  const heard = hear(signals);
  const signal = await heard.next();
  logger?.info({ signal, timeout }, "stopping");
  const cut = new AbortController();
  cut.signal.addEventListener("abort", () => server.app.server.closeAllConnections(), { once: true });
  const timer = setTimeout(() => {
    logger?.warn({ timeout }, "stopping took too long, and is cut short");
    cut.abort();
  }, timeout);
  void heard.next().then((second) => {
    logger?.warn({ signal: second }, "stopping at once");
    heard.end();
    cut.abort();
  });
  try {
    await server.close();
    await service.stop({ signal: cut.signal });
  } finally {
    clearTimeout(timer);
    heard.end();
  }
  logger?.info({ signal }, "stopped");
  return signal;
}

/** Signals one after the other, from now on, and until the end the process outlives them. */
function hear(signals: readonly NodeJS.Signals[]) {
  let told: (signal: NodeJS.Signals) => void = () => {};
  const listener = (signal: NodeJS.Signals) => told(signal);
  for (const signal of signals) process.on(signal, listener);
  return {
    next: () =>
      new Promise<NodeJS.Signals>((resolve) => {
        told = resolve;
      }),
    end: () => {
      for (const signal of signals) process.off(signal, listener);
    },
  };
}
