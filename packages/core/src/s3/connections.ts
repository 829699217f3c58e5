import { Socket } from "node:net";
import { Readable } from "node:stream";
import type { SecureContextOptions } from "node:tls";
import { buildConnector, Client } from "undici";
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
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }
}

/** Takes the connection that was used last, so that those which are not needed go quiet and are closed. */
class Pool {
  readonly #origin: string;
  readonly #limits: ConnectionLimits;
  readonly #connect: buildConnector.connector;
  readonly #all: Connection[] = [];
  readonly #free: Connection[] = [];
  readonly #waiting: Exchange[] = [];

  constructor(origin: string, limits: ConnectionLimits) {
    this.#origin = origin;
    this.#limits = limits;
    const { connectionTimeoutMs: timeout, ca } = limits;
    this.#connect = buildConnector({ timeout, ...(ca !== undefined && { ca }) });
  }

  send(exchange: Exchange): void {
    const connection = this.#free.pop() ?? this.#another();
    if (connection) this.#give(connection, exchange);
    else this.#waiting.push(exchange);
  }

  async close(): Promise<void> {
    for (const exchange of this.#waiting.splice(0)) exchange.stop(new Closed());
    await Promise.all(this.#all.map((connection) => connection.close()));
  }

  #another(): Connection | undefined {
    if (this.#all.length >= this.#limits.maxSockets) return undefined;
    const connection = new Connection(this.#origin, this.#connect, this.#limits.idleTimeoutMs);
    this.#all.push(connection);
    return connection;
  }

  #give(connection: Connection, exchange: Exchange): void {
    exchange.onEnd = () => this.#take(connection);
    connection.send(exchange);
  }

  #take(connection: Connection): void {
    connection.dropUnfinished();
    let next = this.#waiting.shift();
    while (next?.stopped) next = this.#waiting.shift();
    if (next) this.#give(connection, next);
    else this.#free.push(connection);
  }
}

/** Bytes. Few enough to be out within any reasonable limit of silence, many enough to cost nothing. */
const PIECE = 256 * 1024;

class Connection {
  readonly #client: Client;
  readonly #isSecure: boolean;
  #socket: Socket | undefined;

  constructor(origin: string, connect: buildConnector.connector, idleTimeoutMs: number) {
    this.#isSecure = origin.startsWith("https:");
    // undici counts from the beginning of a request to its answer, which would cut off a large part on a slow line. The
    // socket's own timeout counts silence.
    const timeouts = { headersTimeout: 0, bodyTimeout: 0 };
    this.#client = new Client(origin, {
      ...timeouts,
      pipelining: 1,
      connect: (options, callback) => {
        const begun: unknown = connect(options, (...[error, socket]) => {
          if (error) return callback(error, null);
          this.#socket = socket;
          socket.setTimeout(idleTimeoutMs, () => socket.destroy(new Silence(idleTimeoutMs)));
          callback(null, socket);
        });
        if (begun instanceof Socket) this.#socket = begun;
      },
    });
  }

  send(exchange: Exchange): void {
    const { path, headers, body } = exchange.request;
    // TLS takes a body whole and tells nothing until all of it is out: on a slow line it would look like silence.
    const sent = this.#isSecure && body.length > PIECE ? Readable.from(piecesOf(body)) : body;
    this.#client.dispatch({ method: "PUT", path, headers, body: sent }, exchange);
  }

  /** An answer that came before the body was sent: the rest of the body must not be read from its buffer any more. */
  dropUnfinished(): void {
    if (this.#socket && this.#socket.writableLength > 0) this.#socket.destroy();
  }

  async close(): Promise<void> {
    await this.#client.destroy();
    // undici does not know one that does not stand yet, and it would keep the process from ending.
    this.#socket?.destroy(new Closed());
  }
}

function* piecesOf(body: Uint8Array): Generator<Uint8Array> {
  for (let begin = 0; begin < body.length; begin += PIECE) yield body.subarray(begin, begin + PIECE);
}

class Closed extends Error {
  constructor() {
    super("The store was closed.");
  }
}

/** Named as the SDK names it. */
class Silence extends Error {
  override readonly name = "TimeoutError";

  constructor(limitMs: number) {
    super(`the connection was silent for ${limitMs} ms.`);
  }
}
