import { createConnection, createServer, type Server, type Socket } from "node:net";

/** What happens to the next message that holds the text. */
export type Cut =
  /** Both sides lose the connection; the server never sees the message. */
  | "before"
  /** The server answers the message; the client loses the connection instead of hearing it. */
  | "after"
  /** As "before", but neither side is told: the connection falls silent. */
  | "silence";

/** A way to the server that breaks where it is told to. */
export class BreakingProxy {
  readonly connectionString: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next: { text: string; cut: Cut; onCut: () => void } | undefined;
  /** Turns new connections away. */
  isClosed = false;
  cuts = 0;

  /** @param address of PostgreSQL */
  static async open(address: string): Promise<BreakingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new BreakingProxy(address, server);
  }

  private constructor(address: string, server: Server) {
    this.#server = server;
    const url = new URL(address);
    const own = server.address();
    if (own === null || typeof own === "string") throw new Error("The proxy listens on no port.");
    const target = { host: url.hostname, port: Number(url.port) };
    url.hostname = "127.0.0.1";
    url.port = String(own.port);
    this.connectionString = url.href;
    server.on("connection", (client) => this.#join(client, target));
  }

  /** Breaks the connection that sends the next message with `text`, and calls `onCut` in the moment it does. */
  cutAt(text: string, cut: Cut, onCut = () => {}): void {
    this.#next = { text, cut, onCut };
  }

  /** No message is waited for any more. */
  spare(): void {
    this.#next = undefined;
  }

  breakAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.breakAll();
    this.#server.close();
  }

  #join(client: Socket, target: { host: string; port: number }): void {
    if (this.isClosed) {
      client.destroy();
      return;
    }
    const server = createConnection(target);
    let cut: Cut | undefined;
    let onCut = () => {};
    const end = () => {
      client.destroy();
      server.destroy();
    };
    client.on("data", (data) => {
      if (cut === "silence") return;
      if (this.#next && data.includes(this.#next.text)) {
        ({ cut, onCut } = this.#next);
        this.#next = undefined;
        this.cuts += 1;
        if (cut === "before") end();
        if (cut !== "after") return onCut();
      }
      server.write(data);
    });
    server.on("data", (data) => {
      if (cut === "after") {
        end();
        onCut();
      } else if (cut === undefined) client.write(data);
    });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        if (cut !== "silence") end();
      });
    }
  }
}
