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
  "file:queued": "debug",
  "file:started": "debug",
  "file:progress": "debug",
  "file:uploaded": "debug",
  "file:retrying": "warn",
  "file:failed": "error",
  "file:skipped": "info",
  "file:changed": "debug",
  "file:removed": "info",
  "monitor:check": "debug",
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
  readonly #report: (error: unknown) => void;
  readonly #guarded = new WeakMap<Listener, Listener>();

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  on(event: EventName, listener: Listener): void {
    this.#inner.on(event, this.#guard(listener));
  }

  once(event: EventName, listener: Listener): void {
    this.#inner.once(event, this.#guard(listener));
  }

  off(event: EventName, listener: Listener): void {
    this.#inner.off(event, this.#guard(listener));
  }

  emit(event: EventName, payload: object): void {
    this.#inner.emit(event, payload);
  }

  listenerCount(event: EventName): number {
    return this.#inner.listenerCount(event);
  }

  #guard(listener: Listener): Listener {
    const known = this.#guarded.get(listener);
    if (known) return known;
    const report = this.#report;
    const guarded = (...args: unknown[]) => {
      try {
        const result = listener(...args);
        if (result instanceof Promise) result.catch(report);
      } catch (error) {
        report(error);
      }
    };
    this.#guarded.set(listener, guarded);
    return guarded;
  }
}

/** The service's one way to tell things: to the listeners and, above debug level, to the log. */
export function createEmitter(logger: Logger): { readonly emitter: GuardedEmitter; readonly emit: Emit } {
  const emitter = new GuardedEmitter((error) => {
    const message = `A listener threw: ${error instanceof Error ? error.message : String(error)}`;
    logger.error({ err: error }, message);
    if (!reporting) {
      reporting = true;
      emitter.emit("warning", { code: "LISTENER_THREW", message });
      reporting = false;
    }
  });
  // A listener of `warning` that throws must not be told of itself.
  let reporting = false;
  const emit: Emit = (name, payload) => {
    const level = LEVELS[name];
    const heard = emitter.listenerCount(name) > 0;
    if (!heard && level === "debug") return;
    const event = payload();
    if (level !== "debug") logger[level](event, name);
    if (heard) emitter.emit(name, event);
  };
  return { emitter, emit };
}
