import type { S3ErrorCode } from "./errors.ts";
import type { OperationName } from "./operations.ts";

/** What a misbehaving server does to one request. */
export type FaultEffect =
  /** Answers with an error document at once, without doing the work. `status` defaults to that of the code. */
  | {
      type: "respond";
      code: S3ErrorCode | (string & {});
      status?: number;
      message?: string;
      headers?: Record<string, string>;
    }
  /** Waits, then goes on normally. */
  | { type: "delay"; ms: number }
  /** Takes the whole request and never answers; with `commit`, the work is done first. */
  | { type: "silence"; commit?: boolean }
  /** Destroys the connection as soon as the request's headers are there. */
  | { type: "resetBefore" }
  /**
   * Destroys the connection after that many body bytes: of the request if it has a body (at its end if it is shorter),
   * otherwise of the answer; if neither has one, instead of the answer.
   */
  | { type: "resetMidBody"; afterBytes: number }
  /** Does the work, then destroys the connection instead of answering. */
  | { type: "loseResponse" }
  /**
   * Answers 200 with an error document, as S3 may do for CompleteMultipartUpload and CopyObject; with `commit`, the
   * work is done.
   */
  | { type: "okWithError"; code?: S3ErrorCode | (string & {}); message?: string; commit?: boolean }
  /** Does the work and answers with another ETag. */
  | { type: "wrongEtag" }
  /** Does the work and answers with another checksum, where the answer has one. */
  | { type: "wrongChecksum" }
  /**
   * Flips one bit of the byte at `offset` (default 0) of the received payload, after its signature and before its
   * checksums are verified; with `stored`, after both, so that only what is kept is wrong. On GetObject, flips it in
   * the answer.
   */
  | { type: "corruptByte"; offset?: number; stored?: boolean }
  /** Does the work and sends the answer one byte every `intervalMs` milliseconds, headers included. */
  | { type: "trickle"; intervalMs: number };

/** What a fault function gets to see of a request. */
export interface FaultCall {
  /** The request's number in the ledger. */
  n: number;
  operation: OperationName | "Unknown";
  method: string;
  bucket: string | undefined;
  key: string | undefined;
  uploadId: string | undefined;
  partNumber: number | undefined;
  /** Lower-case names. */
  headers: ReadonlyMap<string, string>;
}

/** An effect, or a function that decides per request; undefined leaves the request alone. */
export type FaultAction =
  | FaultEffect
  | ((call: FaultCall) => FaultEffect | undefined | Promise<FaultEffect | undefined>);

/** Which requests a fault applies to, and what it does. Every condition given must hold. */
export interface FaultOptions {
  operation?: OperationName | readonly OperationName[];
  bucket?: string;
  key?: string | RegExp;
  partNumber?: number;
  /** First matching request it applies to, counted from 1 since the fault was added. Default 1. */
  nth?: number;
  /** How many requests it applies to. Default 1, or Infinity when `probability` is given. */
  times?: number;
  /** Chance, 0 to 1, that a matching request is affected. Default 1. */
  probability?: number;
  /** Seed of the chance, so that a run can be repeated. Default 1. */
  seed?: number;
  action: FaultAction;
}

/** A fault that has been injected. */
export interface FaultHandle {
  /** How many requests it was applied to so far. */
  readonly fired: number;
  /** Stops it. Requests already affected stay so. */
  remove(): void;
}

/** The effects chosen for one request. */
export class FaultPlan {
  readonly #effects: readonly FaultEffect[];

  constructor(effects: readonly FaultEffect[]) {
    this.#effects = effects;
  }

  find<T extends FaultEffect["type"]>(type: T): Extract<FaultEffect, { type: T }> | undefined {
    return this.#effects.find((effect): effect is Extract<FaultEffect, { type: T }> => effect.type === type);
  }

  get description(): string | undefined {
    return this.#effects.length > 0 ? this.#effects.map((effect) => effect.type).join("+") : undefined;
  }
}

/** A small seeded generator of numbers in [0, 1) (mulberry32), enough to repeat a run. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

class Fault implements FaultHandle {
  fired = 0;
  readonly action: FaultAction;
  readonly #options: FaultOptions;
  readonly #random: () => number;
  readonly #onRemove: () => void;
  #matched = 0;

  constructor(options: FaultOptions, onRemove: (fault: Fault) => void) {
    this.action = options.action;
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    this.#onRemove = () => onRemove(this);
  }

  remove(): void {
    this.#onRemove();
  }

  /** Counts a request and says whether the fault applies to it. */
  take(call: FaultCall): boolean {
    if (!this.#matches(call)) return false;
    const { nth = 1, probability, times = probability === undefined ? 1 : Number.POSITIVE_INFINITY } = this.#options;
    this.#matched++;
    if (this.#matched < nth || this.fired >= times) return false;
    if (probability !== undefined && this.#random() >= probability) return false;
    this.fired++;
    return true;
  }

  #matches(call: FaultCall): boolean {
    const { operation, bucket, key, partNumber } = this.#options;
    if (operation !== undefined && !([] as readonly string[]).concat(operation).includes(call.operation)) return false;
    if (bucket !== undefined && bucket !== call.bucket) return false;
    if (partNumber !== undefined && partNumber !== call.partNumber) return false;
    if (key === undefined) return true;
    return typeof key === "string" ? key === call.key : call.key !== undefined && call.key.search(key) >= 0;
  }
}

/** The faults in force. Several may apply to one request: their effects combine, the first of each type counts. */
export class FaultTable {
  readonly #faults = new Set<Fault>();

  add(options: FaultOptions): FaultHandle {
    const fault = new Fault(options, (removed) => this.#faults.delete(removed));
    this.#faults.add(fault);
    return fault;
  }

  clear(): void {
    this.#faults.clear();
  }

  async plan(call: FaultCall): Promise<FaultPlan> {
    const effects: FaultEffect[] = [];
    // All faults count the request before any function may take its time.
    for (const { action } of [...this.#faults].filter((fault) => fault.take(call))) {
      const effect = typeof action === "function" ? await action(call) : action;
      if (effect) effects.push(effect);
    }
    return new FaultPlan(effects);
  }
}
