import { Socket } from "node:net";
import pg from "pg";
import { Connection } from "./connection.ts";
import type { Settings } from "./options.ts";
import { closed, Patience } from "./patience.ts";
import { DriverError } from "./state-error.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;
/** How long the last good-byes may take. */
const FAREWELL_MS = 1_000;

/** All we do is read indexes in their order: no plan may turn into another one because the statistics are old. */
const PLANS = ["enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin", "enable_mergejoin", "jit"];

/** The connections of one store, from its opening to its closing: of a pool of our own, or of one handed in. */
export class Connections {
  readonly settings: Settings;
  readonly #pool: pg.Pool;
  readonly #closing = new AbortController();
  readonly #over = new AbortController();
  readonly #sockets = new Set<Socket>();
  readonly #inUse = new Map<pg.PoolClient, Connection>();
  readonly #prepared = new WeakSet<pg.PoolClient>();
  #generation = 0;
  readonly #count = () => {
    this.#generation += 1;
  };

  constructor(settings: Settings) {
    this.settings = settings;
    this.#pool = settings.pool ?? new pg.Pool({ ...this.clientConfig(), max: settings.maxConnections });
    this.#pool.on("error", ignore);
    this.#pool.on("connect", this.#count);
  }

  /** Another one: this may be another server, such as a standby that was promoted and has lost the last transactions. */
  get generation(): number {
    return this.#generation;
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Whether the settings of a session are ours to change, and last. */
  get #ownsSessions(): boolean {
    return this.settings.pool === undefined && !this.settings.transactionPooler;
  }

  get #connectTimeoutMs(): number {
    return Math.min(CONNECT_TIMEOUT_MS, this.settings.reconnectTimeoutMs);
  }

  /** For connections of our own, beside the pool's as well. */
  clientConfig(): pg.ClientConfig {
    return {
      application_name: "bucketline",
      connectionTimeoutMillis: this.#connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      stream: () => this.#socket(),
      ...this.settings.client,
    };
  }

  patience(): Patience {
    return new Patience(this.settings.place, this.settings.reconnectTimeoutMs, this.closing);
  }

  /** Runs `work` again and again until the server has answered it. @throws StateStoreError · what `work` throws */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    const patience = this.patience();
    for (;;) {
      if (this.closing.aborted) throw closed(this.settings.place);
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DriverError)) throw error;
        if (this.closing.aborted) throw closed(this.settings.place);
        await patience.after(error);
      }
    }
  }

  /** Runs statements that only read, or that may as well happen twice, each in a transaction of its own. @throws as `persist` */
  read<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return this.persist(() =>
      this.use(async (connection) => {
        if (this.#ownsSessions) return work(connection);
        // Settings of a session that is not ours are set for a transaction.
        await connection.script(this.beginSql);
        try {
          const result = await work(connection);
          await connection.script("COMMIT");
          return result;
        } catch (error) {
          await connection.rollBack();
          throw error;
        }
      }),
    );
  }

  /** Runs `work` on a connection, once. One that is left inside a transaction is not used again. @throws DriverError · what `work` throws */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const client = await this.checkOut();
    // A pooler changes servers behind our back.
    if (this.settings.transactionPooler) this.#count();
    const { statementTimeoutMs, transactionPooler } = this.settings;
    const connection = new Connection(client, statementTimeoutMs, !transactionPooler);
    this.#inUse.set(client, connection);
    try {
      if (this.#ownsSessions && !this.#prepared.has(client)) {
        await connection.script(this.#settingsSql(false));
        this.#prepared.add(client);
      }
      return await work(connection);
    } finally {
      const isFree = connection.broken === undefined && client.getTransactionStatus?.() === "I";
      if (this.#inUse.delete(client)) client.release(isFree ? undefined : (connection.broken ?? true));
      client.off("error", ignore);
    }
  }

  get beginSql(): string {
    const begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
    return this.#ownsSessions ? begin : `${begin}; ${this.#settingsSql(true)}`;
  }

  /** @param isLocal for the transaction, otherwise for the session */
  #settingsSql(isLocal: boolean): string {
    const { statementTimeoutMs } = this.settings;
    const set = (name: string, value: string | number) => `set_config('${name}', '${value}', ${isLocal})`;
    // A transaction whose client is cut off must end before those that wait for its rows give up.
    const idle = Math.max(500, Math.min(10_000, Math.floor(statementTimeoutMs / 2)));
    const settings = [
      set("statement_timeout", statementTimeoutMs),
      set("idle_in_transaction_session_timeout", idle),
      ...PLANS.map((name) => set(name, "off")),
      set("max_parallel_workers_per_gather", 0),
      `CASE current_setting('synchronous_commit') WHEN 'off' THEN ${set("synchronous_commit", "on")} END`,
      ...(isLocal
        ? []
        : [set("tcp_keepalives_idle", 10), set("tcp_keepalives_interval", 5), set("tcp_keepalives_count", 4)]),
    ];
    return `SELECT ${settings.join(", ")}`;
  }

  /** Ends trying again, everywhere. What is under way may end. */
  stop(): void {
    this.#closing.abort();
  }

  /** Breaks what is under way, and ends our own pool. Resolves also when the server does not answer. */
  async end(): Promise<void> {
    this.stop();
    this.#over.abort();
    for (const [client] of this.#inUse) {
      this.#inUse.delete(client);
      client.release(true);
    }
    if (this.settings.pool) {
      this.#pool.off("error", ignore);
      this.#pool.off("connect", this.#count);
      return;
    }
    await within(FAREWELL_MS, this.#pool.end().catch(ignore));
    // The good-byes are sent, but nobody may be there to answer them.
    await within(FAREWELL_MS, Promise.all(Array.from(this.#sockets, closeOf)));
    for (const socket of this.#sockets) socket.destroy();
  }

  /** A client of our own pool or of the one handed in, whose errors are heard. @throws DriverError */
  async checkOut(): Promise<pg.PoolClient> {
    const arriving = this.#connect();
    try {
      // A pool that is handed in may wait for ever, and closing must not.
      const client = await within(this.#connectTimeoutMs, arriving, this.#over.signal);
      if (client !== undefined && !this.#over.signal.aborted) return client;
    } catch (error) {
      throw new DriverError(error);
    }
    arriving.then((late) => {
      late.release();
      late.off("error", ignore);
    }, ignore);
    throw new DriverError(new Error("timeout exceeded when trying to connect"));
  }

  /**
   * With a callback: the server's last word may follow its first in one packet, before any promise goes on, and an error
   * that nobody hears ends the process.
   */
  #connect(): Promise<pg.PoolClient> {
    return new Promise((resolve, reject) => {
      this.#pool.connect((error, client) => {
        if (client === undefined) return reject(error);
        client.on("error", ignore);
        resolve(client);
      });
    });
  }

  /** Known to us, so that closing need not wait for the answer of a server that is cut off. */
  #socket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

export function ignore(): void {}

/** @returns undefined when it took too long, or `signal` came first */
export async function within<T>(ms: number, work: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let end: () => void = ignore;
  const late = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined);
    timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}
