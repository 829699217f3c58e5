import { types } from "node:util";
import { EventEmitter } from "eventemitter3";
import type { Emit, EventName } from "./events.ts";

/** Where a host's log lines go; pino's shape, and any logger with these four methods. */
export interface Logger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const LEVELS: Readonly<Record<EventName, keyof Logger>> = {
  "upload:registered": "info",
  "upload:started": "info",
  "upload:scanning": "debug",
  "upload:scanned": "info",
  "upload:progress": "debug",
  "upload:completed": "info",
  "upload:failed": "error",
  "upload:reopened": "info",
  "upload:paused": "info",
  "upload:resumed": "info",
  "upload:cancelled": "info",
  "upload:adjusted": "info",
  "upload:waiting": "info",
  "upload:changed": "info",
  "upload:verified": "info",
  "file:queued": "debug",
  "file:started": "debug",
  "file:progress": "debug",
  "file:uploaded": "debug",
  "file:retrying": "warn",
  "file:failed": "error",
  "file:skipped": "info",
  "file:unstable": "warn",
  "file:changed": "debug",
  "file:removed": "info",
  "file:deleted": "info",
  "step:started": "debug",
  "step:finished": "debug",
  "file:claimed": "debug",
  "file:disposed": "debug",
  "monitor:check": "debug",
  "monitor:live": "info",
  "monitor:degraded": "warn",
  "monitor:requeued": "info",
  "recovery:finished": "info",
  warning: "warn",
};

export type Listener = (...args: unknown[]) => unknown;

/**
 * An event emitter whose listeners cannot disturb anybody: what one throws, or rejects with, goes to `report`, and the
 * others still run.
 */
export class GuardedEmitter {
  readonly #inner = new EventEmitter();
  readonly #report: (error: unknown, event: EventName) => void;
  readonly #guarded = new WeakMap<Listener, Map<EventName, Listener>>();

  constructor(report: (error: unknown, event: EventName) => void) {
    this.#report = report;
  }

  on(event: EventName, listener: Listener): void {
    this.#inner.on(event, this.#guard(event, listener));
  }

  once(event: EventName, listener: Listener): void {
    this.#inner.once(event, this.#guard(event, listener));
  }

  off(event: EventName, listener: Listener): void {
    this.#inner.off(event, this.#guard(event, listener));
  }

  emit(event: EventName, payload: object): void {
    this.#inner.emit(event, payload);
  }

  listenerCount(event: EventName): number {
    return this.#inner.listenerCount(event);
  }

  #guard(event: EventName, listener: Listener): Listener {
    const guards = this.#guarded.get(listener) ?? new Map<EventName, Listener>();
    this.#guarded.set(listener, guards);
    const known = guards.get(event);
    if (known) return known;
    const report = (error: unknown) => this.#report(error, event);
    const guarded = (...args: unknown[]) => {
      try {
        const result = listener(...args);
        if (types.isPromise(result)) result.catch(report);
      } catch (error) {
        report(error);
      }
    };
    guards.set(event, guarded);
    return guarded;
  }
}

/** The service's one way to tell things: to the listeners and, above debug level, to the log. */
export function createEmitter(logger: Logger): { readonly emitter: GuardedEmitter; readonly emit: Emit } {
  const emitter = new GuardedEmitter((error, event) => {
    const message = `A listener threw: ${error instanceof Error ? error.message : String(error)}`;
    log("error", { err: error }, message);
    // A listener of `warning` that throws, now or later, must not be told of itself.
    if (event !== "warning") emitter.emit("warning", { code: "LISTENER_THREW", message });
  });
  // A logger observes, as listeners do: what it throws must not steer the work, and there is nobody left to tell.
  const log = (level: keyof Logger, facts: object, message: string) => {
    try {
      logger[level](facts, message);
    } catch {}
  };
  const emit: Emit = (name, payload) => {
    const level = LEVELS[name];
    const heard = emitter.listenerCount(name) > 0;
    if (!heard && (level === "debug" || logger === silentLogger)) return;
    const event = payload();
    if (level !== "debug") log(level, event, name);
    if (heard) emitter.emit(name, event);
  };
  return { emitter, emit };
}
