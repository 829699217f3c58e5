import type { SecureContextOptions } from "node:tls";
import { Connection } from "./connection.ts";
import { type Dial, dialer } from "./dial.ts";
import type { Exchange } from "./exchange.ts";

/** How connections are made and kept. */
export interface ConnectionLimits {
  /** Milliseconds until a connection must stand. */
  readonly connectionTimeoutMs: number;
  /** Milliseconds a connection may be silent in both directions. */
  readonly idleTimeoutMs: number;
  /** Most connections to one origin; further requests wait. */
  readonly maxSockets: number;
  readonly ca?: SecureContextOptions["ca"] | undefined;
}

/** How often it is looked for connections that nobody has used for long. Milliseconds. */
const SWEEP_MS = 1_000;

/** HTTP/1.1 connections that are kept alive, one request on each at a time. Nothing is ever sent twice. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #pools = new Map<string, Pool>();
  #isClosed = false;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  send(exchange: Exchange): void {
    if (this.#isClosed) return exchange.stop(new Closed());
    const { origin } = exchange.request;
    let pool = this.#pools.get(origin);
    if (!pool) {
      pool = new Pool(origin, this.#limits);
      this.#pools.set(origin, pool);
    }
    pool.send(exchange);
  }

  /** Closes every connection; what is under way fails, and so does what comes later. */
  close(): void {
    this.#isClosed = true;
    for (const pool of this.#pools.values()) pool.close();
  }
}

/** Takes the connection that was used last, so that those which are not needed go quiet and are closed. */
class Pool {
  readonly #dial: Dial;
  readonly #limits: ConnectionLimits;
  readonly #all: Connection[] = [];
  readonly #free: Connection[] = [];
  readonly #waiting: Exchange[] = [];
  #sweeper: NodeJS.Timeout | undefined;

  constructor(origin: string, limits: ConnectionLimits) {
    this.#dial = dialer(origin, limits);
    this.#limits = limits;
  }

  send(exchange: Exchange): void {
    const connection = this.#free.pop() ?? this.#another();
    if (connection) connection.send(exchange);
    else this.#waiting.push(exchange);
  }

  close(): void {
    clearTimeout(this.#sweeper);
    for (const exchange of this.#waiting.splice(0)) exchange.stop(new Closed());
    for (const connection of this.#all) connection.close(new Closed());
  }

  #another(): Connection | undefined {
    if (this.#all.length >= this.#limits.maxSockets) return undefined;
    const connection: Connection = new Connection(this.#dial, this.#limits.idleTimeoutMs, () => this.#take(connection));
    this.#all.push(connection);
    return connection;
  }

  #take(connection: Connection): void {
    let next = this.#waiting.shift();
    while (next?.isStopped) next = this.#waiting.shift();
    if (next) return connection.send(next);
    this.#free.push(connection);
    this.#sweeper ??= setTimeout(() => this.#sweep(), SWEEP_MS).unref();
  }

  #sweep(): void {
    this.#sweeper = undefined;
    const open = this.#free.filter((connection) => connection.sweep());
    if (open.length > 0) this.#sweeper = setTimeout(() => this.#sweep(), SWEEP_MS).unref();
  }
}

class Closed extends Error {
  constructor() {
    super("The store was closed.");
  }
}
