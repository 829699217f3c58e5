import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a client has sent: the command, the content of the pieces, and whether the zero that ends them was among it. */
export interface Received {
  readonly command: string;
  readonly pieces: readonly number[];
  readonly content: Buffer;
  readonly ended: boolean;
}

/** Called for every connection. */
export type Behaviour = (connection: Socket, received: () => Received) => void;

export interface FakeClamd {
  readonly socket: string;
  readonly connections: ReadonlySet<Socket>;
  stop(): Promise<void>;
}

/** A server that speaks as badly as it is told to. */
export async function startFakeClamd(behave: Behaviour): Promise<FakeClamd> {
  const folder = await mkdtemp(join(tmpdir(), "bucketline-fake-"));
  const socket = join(folder, "clamd.sock");
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.on("close", () => connections.delete(connection));
    connection.on("error", () => connection.destroy());
    let bytes = Buffer.alloc(0);
    connection.on("data", (data) => {
      bytes = Buffer.concat([bytes, data]);
    });
    behave(connection, () => parsed(bytes));
  });
  server.listen(socket);
  await once(server, "listening");
  return {
    socket,
    connections,
    stop: async () => {
      for (const connection of connections) connection.destroy();
      server.close();
      await once(server, "close");
      await rm(folder, { recursive: true });
    },
  };
}

function parsed(bytes: Buffer): Received {
  const start = bytes.indexOf(0) + 1;
  const pieces: number[] = [];
  const content: Buffer[] = [];
  let ended = false;
  for (let at = start; start > 0 && !ended && at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    ended = length === 0;
    if (!ended) pieces.push(length);
    content.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { command: bytes.toString("latin1", 0, start), pieces, content: Buffer.concat(content), ended };
}
