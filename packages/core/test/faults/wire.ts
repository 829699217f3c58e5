import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

export interface WireOptions {
  /** Where the bytes go: a port of this machine. */
  readonly port: number;
  /** What becomes of bytes on their way to the server. Default: they arrive as they are. */
  readonly toServer?: (chunk: Buffer) => Buffer;
}

/** The line between a client and a server, at which connections can be watched and cut. */
export class Wire {
  readonly endpoint: string;
  /** Connections that were accepted. */
  accepted = 0;
  /** Accepts connections and leaves them lying, unread. */
  deaf = false;
  readonly #pairs: Set<readonly Socket[]>;

  constructor(endpoint: string, pairs: Set<readonly Socket[]>) {
    this.endpoint = endpoint;
    this.#pairs = pairs;
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** Resets every open connection, as a load balancer does that has forgotten them. */
  cut(): number {
    const pairs = [...this.#pairs];
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    return pairs.length;
  }
}

/** Starts a wire; it is gone when the test ends. */
export async function openWire({ port, toServer = (chunk) => chunk }: WireOptions): Promise<Wire> {
  const pairs = new Set<readonly Socket[]>();
  const server = createServer((client) => {
    wire.accepted++;
    client.on("error", () => {});
    if (wire.deaf) {
      const pair = [client] as const;
      pairs.add(pair);
      client.once("close", () => pairs.delete(pair));
      return;
    }
    const upstream = connect(port, "127.0.0.1");
    upstream.on("error", () => client.destroy());
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    client.once("close", end);
    upstream.once("close", end);
    client.on("data", (chunk: Buffer) => upstream.write(toServer(chunk)));
    upstream.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const wire = new Wire(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, pairs);
  onTestFinished(async () => {
    wire.cut();
    await new Promise((resolve) => server.close(resolve));
  });
  return wire;
}
