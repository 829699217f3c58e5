import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP connection that passes on what it gets, until it is told otherwise. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** Which way bytes go: to PostgreSQL, or back. */
export type Direction = "question" | "answer";

/** Stands between a host and PostgreSQL, and fails as networks fail. */
export class Wire {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs: Set<Pair>;
  #stalled = false;
  #armed: { readonly at: Direction; readonly done: () => void } | undefined;

  private constructor(server: Server, port: number, pairs: Set<Pair>) {
    this.#server = server;
    this.port = port;
    this.#pairs = pairs;
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<Wire> {
    const pairs = new Set<Pair>();
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const address = server.address();
    const wire = new Wire(server, typeof address === "object" && address ? address.port : 0, pairs);
    server.on("connection", (near) => wire.#join(near, connect(target)));
    return wire;
  }

  /**
   * Breaks every connection in the middle of the next message that goes this way: then PostgreSQL has half a question, or
   * the host half an answer to what has been done. New connections are let through.
   */
  cut(at: Direction): Promise<void> {
    return new Promise((resolve) => {
      this.#armed = { at, done: resolve };
    });
  }

  #break(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Passes nothing on any more, in either direction, and says so to nobody: a black hole. */
  stall(): void {
    this.#stalled = true;
    for (const { near, far } of this.#pairs) {
      near.pause();
      far.pause();
    }
  }

  /** Ends the stall: what was on its way arrives late. */
  resume(): void {
    this.#stalled = false;
    for (const { near, far } of this.#pairs) {
      near.resume();
      far.resume();
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#break();
    await closed;
  }

  #join(near: Socket, far: Socket): void {
    const pair = { near, far };
    this.#pairs.add(pair);
    for (const [from, to, direction] of [
      [near, far, "question"],
      [far, near, "answer"],
    ] as const) {
      from.setNoDelay(true);
      from.on("data", (bytes) => this.#pass(bytes, to, direction));
      from.on("end", () => to.end());
      // The other end sees the connection break, as it would without us.
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      if (this.#stalled) from.pause();
    }
  }

  #pass(bytes: Buffer, to: Socket, direction: Direction): void {
    if (this.#armed?.at !== direction) {
      to.write(bytes);
      return;
    }
    const { done } = this.#armed;
    this.#armed = undefined;
    to.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => {
      this.#break();
      done();
    });
  }
}
