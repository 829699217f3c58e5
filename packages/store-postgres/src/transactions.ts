import { randomBytes } from "node:crypto";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { CounterDeltas } from "./counters.ts";
import { arraysOf, type Cell } from "./rows.ts";
import { DriverError, stateError, verdictOf } from "./state-error.ts";
import { COUNTER, type Statements } from "./statements.ts";

/** Rows over which an upload's counters are spread. */
const SHARDS = 64;
const STATUS_DELAY_MS = 100;

/** A transaction whose COMMIT was sent, by what it leaves behind when it happens. */
interface Ticket {
  readonly handle: Buffer;
  readonly slot: number;
  readonly token: number;
  readonly xid: string;
}

interface Unsettled {
  readonly ticket: Ticket;
  readonly result: unknown;
}

/** What goes in one message with BEGIN. */
export interface Opening {
  /** A statement, done before the value is read. */
  readonly first: string;
  /** An expression; what it is goes to the work. */
  readonly value: string;
}

/** What a writing transaction does besides; `deltas` may stay empty. */
export type Work<T> = (connection: Connection, deltas: CounterDeltas, opened: Cell) => Promise<T>;

/**
 * Writing transactions that happen exactly once. A connection may break at COMMIT; whether it happened is then in the
 * database: each transaction writes its number into a row of `commits` that is its own for as long as it lasts. That row
 * is asked when the server says that the transaction is no longer under way. The server's own word for "committed"
 * (pg_xact_status) would not do: after a crash or a failover the number of a lost transaction is given to another.
 */
export class Transactions {
  readonly #connections: Connections;
  readonly #statements: Statements["writes"];
  readonly #newDeltas: () => CounterDeltas;
  readonly #handle = randomBytes(16);
  /** So that two handles' counters rarely meet in a row. */
  readonly #firstShard = Math.floor(Math.random() * SHARDS);
  readonly #freeSlots: number[] = [];
  #slots = 0;
  #tokens = 0;
  /** By what identifies the call. */
  readonly #unsettled = new WeakMap<object, Unsettled>();
  /** Of calls that may be repeated to learn what became of them. */
  readonly #keptSlots = new Set<number>();

  constructor(connections: Connections, statements: Statements, newDeltas: () => CounterDeltas) {
    this.#connections = connections;
    this.#statements = statements.writes;
    this.#newDeltas = newDeltas;
  }

  /**
   * Runs `work` in a transaction; again, from the start, when it was aborted for no fault of its own.
   * @param identity Of a call that failed with `STATE_UNAVAILABLE` after it may have happened: the next one with the same
   * identity finds out, and if it did, returns its result and does nothing.
   * @throws StateStoreError · what `work` throws, and then nothing is written
   */
  async write<T>(work: Work<T>, identity?: object, opening?: Opening): Promise<T> {
    const before = identity && this.#unsettled.get(identity);
    if (identity && before && (await this.#settleBefore(identity, before))) return before.result as T;
    return this.#connections.persist(() => this.#once(work, identity, opening));
  }

  /** Whether a call with this identity waits to be settled. */
  isUnsettled(identity: object): boolean {
    return this.#unsettled.has(identity);
  }

  /** Removes what nobody will ask for. Best effort. */
  async forget(): Promise<void> {
    await this.#connections.use((connection) =>
      connection.query(this.#statements.forgetCommits, [this.#handle, `{${[...this.#keptSlots].join(",")}}`]),
    );
  }

  async #once<T>(work: Work<T>, identity: object | undefined, opening: Opening | undefined): Promise<T> {
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    const token = ++this.#tokens;
    let sent: Unsettled | undefined;
    let lost: DriverError | undefined;
    try {
      const done = await this.#connections.use(async (connection) => {
        try {
          const [xid, opened] = await this.#begin(connection, opening);
          const deltas = this.#newDeltas();
          const result = await work(connection, deltas, opened);
          const ticket = { handle: this.#handle, slot, token, xid };
          await this.#finish(connection, deltas, ticket);
          sent = { ticket, result };
          await connection.script("COMMIT");
          return result;
        } catch (error) {
          if (sent !== undefined && error instanceof DriverError) lost = error;
          else await connection.rollBack();
          throw error;
        }
      });
      this.#freeSlots.push(slot);
      return done;
    } catch (error) {
      if (sent === undefined || lost === undefined) {
        this.#freeSlots.push(slot);
        throw error;
      }
      return await this.#settleNow<T>(sent, lost, identity);
    }
  }

  async #settleNow<T>(sent: Unsettled, lost: DriverError, identity: object | undefined): Promise<T> {
    const { slot } = sent.ticket;
    let hasHappened: boolean;
    try {
      hasHappened = await this.#settle(sent.ticket);
    } catch (error) {
      // The slot's row is the only witness, so the slot is not used again.
      if (identity) this.#unsettled.set(identity, sent);
      this.#keptSlots.add(slot);
      throw error;
    }
    this.#freeSlots.push(slot);
    if (hasHappened) return sent.result as T;
    throw lost;
  }

  async #settleBefore(identity: object, { ticket }: Unsettled): Promise<boolean> {
    const hasHappened = await this.#settle(ticket);
    this.#unsettled.delete(identity);
    this.#keptSlots.delete(ticket.slot);
    this.#freeSlots.push(ticket.slot);
    return hasHappened;
  }

  /** Whether the transaction has happened; waits until that is decided. @throws StateStoreError */
  async #settle(ticket: Ticket): Promise<boolean> {
    const patience = this.#connections.patience();
    for (;;) {
      const verdict = await this.#connections.read(async (connection) => {
        if (await this.#isUnderWay(connection, ticket.xid)) return undefined;
        const [row] = await connection.query(this.#statements.tokenOf, [ticket.handle, ticket.slot]);
        return Number(row?.[0] ?? 0) === ticket.token;
      });
      if (verdict !== undefined) return verdict;
      await patience.pause(STATUS_DELAY_MS);
      if (patience.isOver) throw stateError(new DriverError(stillUnderWay()), this.#connections.settings.place);
    }
  }

  async #isUnderWay(connection: Connection, xid: string): Promise<boolean> {
    try {
      const [row] = await connection.query(this.#statements.statusOf, [xid]);
      return row?.[0] === "in progress";
    } catch (error) {
      // "in the future": the server has lost the transaction and not yet given its number to another.
      const isUnknown = error instanceof DriverError && verdictOf(error) === "STATE_CORRUPT";
      if (!isUnknown) throw error;
      await connection.rollBack();
      return false;
    }
  }

  async #begin(connection: Connection, opening: Opening | undefined): Promise<[xid: string, opened: Cell]> {
    const xid = `SELECT pg_current_xact_id()::text, ${opening?.value ?? "NULL"}`;
    const statements = [this.#connections.beginSql, ...(opening ? [opening.first] : []), xid];
    const [row] = await connection.script(statements.join("; "));
    return [row?.[0] ?? "", row?.[1] ?? null];
  }

  /** Last, so that rows that transactions share are locked as briefly as can be. */
  async #finish(connection: Connection, deltas: CounterDeltas, { handle, slot, token }: Ticket): Promise<void> {
    const shard = (this.#firstShard + slot) % SHARDS;
    const counters = arraysOf(COUNTER, deltas.rows());
    await connection.query(this.#statements.finish, [...counters, shard, handle, slot, token]);
  }
}

function stillUnderWay(): Error {
  return Object.assign(new Error("a transaction of ours that was cut off has not ended yet"), { code: "ETIMEDOUT" });
}
