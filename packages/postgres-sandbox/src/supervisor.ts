// The program between whoever wants a PostgreSQL and PostgreSQL itself. It has its own process group and a channel to its
// parent; when the channel closes, because the parent has ended in whatever way, it ends the server and removes the data.

import { Cluster, type ClusterOrder } from "./cluster.ts";
import type { Command, Reply } from "./messages.ts";

const cluster = new Cluster(JSON.parse(process.argv[2] ?? "") as ClusterOrder);
let orphaned = false;
let last: Promise<unknown> = Promise.resolve();

function reply(message: Reply): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) resolve();
    else process.send?.(message, undefined, undefined, () => resolve());
  });
}

const actions: Record<Command["command"], () => Promise<void>> = {
  create: () => cluster.create(),
  restart: async () => {
    await cluster.end("fast");
    await cluster.start();
  },
  kill: () => cluster.end("crash"),
  stop: async () => {
    await cluster.end("fast");
    cluster.remove();
  },
};

async function obey({ id, command }: Command): Promise<void> {
  if (orphaned) return;
  try {
    await actions[command]();
    await reply({ id, ...cluster.address });
  } catch (error) {
    await reply({ id, error: error instanceof Error ? error.message : String(error) });
  }
  if (command === "stop" && process.connected) process.disconnect();
}

process.on("message", (command: Command) => {
  last = last.then(() => obey(command));
});

process.once("disconnect", () => {
  orphaned = true;
  // Once for what runs now, which may be initdb, and once for what the command under way has started meanwhile.
  void cluster
    .end("crash")
    .then(() => last)
    .then(() => cluster.end("crash"))
    .finally(() => {
      cluster.remove();
      process.exit();
    });
});
