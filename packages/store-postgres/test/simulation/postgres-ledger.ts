import { randomBytes } from "node:crypto";
import { type ChangeHint, type Counters, type FileRecord, type StateStore, StateStoreError } from "@bucketline/core";
import { ID, type SimHandle, type SimLedger, START } from "../../../core/sim/sim-ledger.ts";
import { PostgresStateStore } from "../../src/index.ts";
import { Breaks } from "./breaks.ts";
import { LedgerClock } from "./ledger-clock.ts";
import { outcomeOf, Reference } from "./reference.ts";
import type { SimDatabase } from "./sim-database.ts";
import { Traffic } from "./traffic.ts";

const WRITES: ReadonlySet<string> = new Set<keyof StateStore>([
  ...(["insertUpload", "updateUpload", "commit", "claim", "rescue", "updateNotice"] as const),
]);
/** Of errors that the store may throw here. */
const EXPECTED: ReadonlySet<string> = new Set(["STATE_UNAVAILABLE", "STATE_CLOSED", "UPLOAD_NOT_FOUND"]);
const ON_THE_CLOCK: ReadonlySet<string> = new Set<keyof StateStore>(["heartbeat", "rescue", "isAlive"]);
/** How long a call waits for a server that is out of reach, in real milliseconds: with outages, and when there are none to end. */
const RECONNECT_TIMEOUT_MS = { outages: 500, none: 30_000 } as const;
const MOST_FILES = 1_000;

export interface PostgresLedgerOptions {
  readonly seed: number;
  readonly hints: boolean;
  /** One call at a time, in an order that the seed decides. Otherwise they overlap as they come, and no run is like another. */
  readonly isSerial: boolean;
  /** Whether the server may be out of reach for longer than calls wait for it, which takes real time. */
  readonly hasOutages: boolean;
}

interface Handle {
  readonly number: number;
  readonly name: string;
  readonly store: PostgresStateStore;
  isDead: boolean;
}

/** The real store on a real PostgreSQL, in the simulated world's time. Close it. */
export class PostgresLedger implements SimLedger {
  readonly clock: LedgerClock;
  readonly breaks: Breaks;
  /** Every call that was made: which handle's, and which. */
  readonly trace: string[] = [];
  /** Of them, how many began while one of another handle was under way. */
  overlaps = 0;
  unanswered = 0;
  readonly #options: PostgresLedgerOptions;
  readonly #database: SimDatabase;
  readonly #traffic: Traffic;
  readonly #schema = `sim_${randomBytes(6).toString("hex")}`;
  readonly #handles: Handle[] = [];
  readonly #listeners = new Map<(hint: ChangeHint) => void, Handle>();
  #witness: Promise<PostgresStateStore> | undefined;
  readonly #underWay: Handle[] = [];
  readonly #reference: Reference | undefined;
  readonly #wrongs: string[] = [];

  private constructor(database: SimDatabase, breaks: Breaks, options: PostgresLedgerOptions) {
    this.#database = database;
    this.breaks = breaks;
    this.#options = options;
    this.#traffic = new Traffic(options.isSerial);
    this.clock = new LedgerClock(START, this.#traffic, options.isSerial);
    // Of a call that was never answered nobody knows at once whether it happened.
    if (options.isSerial && !options.hasOutages) this.#reference = new Reference(this.clock);
  }

  static async open(database: SimDatabase, options: PostgresLedgerOptions): Promise<PostgresLedger> {
    const breaks = await Breaks.open(database.connectionString, options.seed, options.hasOutages);
    return new PostgresLedger(database, breaks, options);
  }

  connect(): SimHandle {
    const number = this.#handles.length;
    const name = `${this.#schema}_${number}`;
    const store = this.#store(this.breaks.proxy.connectionString, name, 5);
    const handle: Handle = { number, name, store, isDead: false };
    this.#handles.push(handle);
    return { store: this.#watched(handle), die: () => this.#die(handle) };
  }

  async files(): Promise<FileRecord[]> {
    return await this.#seen((witness) => witness.listFiles(ID, { limit: MOST_FILES }));
  }

  async counters(): Promise<Counters> {
    return await this.#seen((witness) => witness.counters(ID));
  }

  async isRecorded(path: string): Promise<boolean> {
    const file = await this.#seen((witness) => witness.getFile(ID, path));
    return Boolean(file?.evidence);
  }

  heal(): void {
    this.breaks.stop();
  }

  /** @throws Error when the store did what it must not, or time went on while a call was under way */
  check(): void {
    if (this.#wrongs.length > 0) throw new Error(this.#wrongs[0]);
  }

  async close(): Promise<void> {
    await this.#traffic.rest();
    for (const handle of this.#handles) await handle.store.close();
    const witness = await this.#witness;
    await witness?.close();
    this.breaks.proxy.close();
    await this.#database.drop(this.#schema);
  }

  #store(base: string, name: string, maxConnections: number): PostgresStateStore {
    const connectionString = this.#database.address(base, name);
    const reconnectTimeoutMs = RECONNECT_TIMEOUT_MS[this.#options.hasOutages ? "outages" : "none"];
    return new PostgresStateStore({ connectionString, maxConnections, schema: this.#schema, reconnectTimeoutMs });
  }

  /** Asks a handle of the model's own. */
  async #seen<T>(ask: (witness: PostgresStateStore) => Promise<T>): Promise<T> {
    const open = async () => {
      const store = this.#store(this.#database.connectionString, `${this.#schema}_witness`, 1);
      await store.open();
      return store;
    };
    this.#witness ??= open();
    return await this.#traffic.watch(this.#witness.then(ask));
  }

  #watched(handle: Handle): StateStore {
    return new Proxy<StateStore>(handle.store, {
      get: (_, name) => {
        const value: unknown = Reflect.get(handle.store, name, handle.store);
        if (typeof value !== "function" || typeof name !== "string") return value;
        if (name === "subscribe") return this.#options.hints ? this.#subscribing(handle) : undefined;
        return (...args: unknown[]) => {
          const apply = () => Reflect.apply(value, handle.store, args);
          return this.#call(handle, name, args, apply);
        };
      },
    });
  }

  async #call(handle: Handle, name: string, args: readonly unknown[], apply: () => Promise<unknown>): Promise<unknown> {
    const since = this.clock.monotonic();
    const answer = await this.#traffic.call(async () => {
      if (handle.isDead) return await Promise.resolve(handle);
      this.trace.push(`${handle.number} ${name}`);
      if (ON_THE_CLOCK.has(name)) await this.#database.setTime(START + this.clock.monotonic());
      return await this.#compared(name, args, () => this.#make(handle, name, apply));
    });
    if (this.clock.monotonic() !== since) this.#wrongs.push(`Time went on during ${name}.`);
    // Nobody is there any more to hear it.
    if (answer === handle) return await new Promise<never>(() => {});
    if (this.#options.isSerial && WRITES.has(name)) this.#tellOthers(handle);
    return answer;
  }

  async #make(handle: Handle, name: string, apply: () => Promise<unknown>): Promise<unknown> {
    if (this.#underWay.some((other) => other !== handle)) this.overlaps += 1;
    this.#underWay.push(handle);
    try {
      const make = () => this.breaks.cut(name, apply);
      // When exactly the server ends a session no seed decides.
      if (this.#options.isSerial || name === "close") return await make();
      return await this.breaks.terminated(make, () => this.#database.terminate(handle.name));
    } catch (error) {
      const code = error instanceof StateStoreError ? error.code : "";
      if (code === "STATE_UNAVAILABLE") this.unanswered += 1;
      if (!EXPECTED.has(code)) this.#wrongs.push(`${name} threw ${String(error)}`);
      throw error;
    } finally {
      this.#underWay.splice(this.#underWay.indexOf(handle), 1);
    }
  }

  async #compared(name: string, args: readonly unknown[], make: () => Promise<unknown>): Promise<unknown> {
    if (!this.#reference) return await make();
    const made = make();
    const objection = await this.#reference.objection(name, args, await outcomeOf(() => made));
    if (objection !== undefined) this.#wrongs.push(objection);
    return await made;
  }

  #subscribing(handle: Handle) {
    return (listener: (hint: ChangeHint) => void) => {
      // A real hint comes when it likes; what it sets going must not run while time moves.
      const inTurn = (hint: ChangeHint) => void this.clock.turn().then(() => listener(hint));
      if (!this.#options.isSerial) return handle.store.subscribe?.(inTurn) ?? (() => {});
      this.#listeners.set(listener, handle);
      return () => void this.#listeners.delete(listener);
    };
  }

  /** Instead of the database, whose hints come at moments that no seed decides. */
  #tellOthers(handle: Handle): void {
    for (const [listener, other] of this.#listeners) {
      if (other !== handle && !other.isDead) queueMicrotask(() => listener({ uploadId: ID }));
    }
  }

  #die(handle: Handle): void {
    handle.isDead = true;
    const end = async () => {
      // In the middle of whatever it is doing; without a good-bye.
      if (!this.#options.isSerial) await this.#database.terminate(handle.name);
      await handle.store.close();
    };
    void this.#traffic.call(end);
  }
}
