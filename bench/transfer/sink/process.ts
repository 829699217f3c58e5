// The sink in a process of its own, started by `Sink`.

import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Bucket } from "./bucket.ts";
import { Connection } from "./connection.ts";
import type { Ports, Question, Reading } from "./protocol.ts";

const bucket = new Bucket();
let delayMs = 0;
let cpu = process.cpuUsage();

const accept = (socket: Socket) => new Connection(socket, bucket, () => delayMs);

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", 4_096, () => resolve((server.address() as AddressInfo).port));
  });
}

async function ports({ tls }: Extract<Question, { ask: "listen" }>): Promise<Ports> {
  const http = await listen(createServer(accept));
  return { http, https: tls && (await listen(createTlsServer(tls, accept))) };
}

function read(): Reading {
  const { user, system } = process.cpuUsage(cpu);
  const bytes = [...bucket.objects.values()].reduce((sum, { size }) => sum + size, 0);
  return { objects: bucket.objects.size, bytes, ...bucket.counts, cpuSeconds: (user + system) / 1e6 };
}

function clear({ all, delayMs: delay }: Extract<Question, { ask: "clear" }>): void {
  if (all) bucket.clear();
  else bucket.clearCounts();
  delayMs = delay;
  cpu = process.cpuUsage();
}

process.on("message", async (question: Question) => {
  if (question.ask === "listen") process.send?.(await ports(question));
  else if (question.ask === "read") process.send?.(read());
  else {
    clear(question);
    process.send?.({});
  }
});
process.once("disconnect", () => process.exit(0));
