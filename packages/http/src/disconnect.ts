import type { FastifyReply } from "fastify";

/** Aborts when the client goes away before it has its answer, and is aborted when it has gone already. */
export function disconnected({ raw }: Pick<FastifyReply, "raw">): AbortSignal {
  const controller = new AbortController();
  if (raw.destroyed) controller.abort();
  raw.once("close", () => {
    if (!raw.writableFinished) controller.abort();
  });
  return controller.signal;
}
