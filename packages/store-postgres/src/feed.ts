import { hash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChangeHint, Unsubscribe } from "@bucketline/core";
import type { Connections } from "./connections.ts";
import { ignore } from "./connections.ts";
import { type Listening, listen } from "./listening.ts";
import { arraysOf } from "./rows.ts";
import type { Statements } from "./statements.ts";
import { toJson } from "./text.ts";

/** Hints about one upload's files come no faster than this. */
const INTERVAL_MS = 200;
/** The server takes payloads of fewer bytes. */
const PAYLOAD_LIMIT = 8_000;
const LONGEST_DELAY_MS = 5_000;

/**
 * Tells other handles what has changed, and hears it from them. NOTIFY takes a lock that all commits with a NOTIFY in the
 * server share, so it goes in transactions of its own, and seldom. Hints may get lost: nothing here ever fails a call.
 */
export class Feed {
  readonly #connections: Connections;
  readonly #notify: Statements["writes"]["notify"];
  readonly #channel: string;
  readonly #self = randomUUID();
  readonly #listeners = new Set<(hint: ChangeHint) => void>();
  readonly #due = new Set<string>();
  readonly #sentAt = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #listening: AbortController | undefined;
  #listened: Promise<void> = Promise.resolve();

  constructor(connections: Connections, statements: Statements) {
    this.#connections = connections;
    this.#notify = statements.writes.notify;
    // Names of channels are shorter than some names of schemas, and case matters in both.
    this.#channel = `bucketline_${hash("sha256", connections.settings.schema).slice(0, 32)}`;
  }

  /** @param isUrgent goes out at once, as what somebody waits for does */
  changed(uploadIds: Iterable<string>, isUrgent: boolean): void {
    if (this.#connections.closing.aborted) return;
    for (const id of uploadIds) {
      this.#due.add(id);
      if (isUrgent) this.#sentAt.delete(id);
    }
    this.#send();
  }

  subscribe(listener: (hint: ChangeHint) => void): Unsubscribe {
    // Wrapped, so that one function may be subscribed twice.
    const own = (hint: ChangeHint) => listener(hint);
    this.#listeners.add(own);
    if (this.#listening === undefined) {
      this.#listening = new AbortController();
      this.#listened = this.#listen(AbortSignal.any([this.#listening.signal, this.#connections.closing]));
    }
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size > 0) return;
      this.#listening?.abort();
      this.#listening = undefined;
    };
  }

  /** Sends what still waits, and listens no more. */
  async close(): Promise<void> {
    this.#sentAt.clear();
    clearTimeout(this.#timer);
    await this.#sending;
    this.#send();
    await this.#sending;
    clearTimeout(this.#timer);
    await this.#listened;
  }

  #send(): void {
    clearTimeout(this.#timer);
    if (this.#sending !== undefined || this.#due.size === 0) return;
    const now = performance.now();
    for (const [id, at] of this.#sentAt) if (now - at >= INTERVAL_MS) this.#sentAt.delete(id);
    const ids = [...this.#due].filter((id) => !this.#sentAt.has(id));
    for (const id of ids) {
      this.#due.delete(id);
      this.#sentAt.set(id, now);
    }
    if (ids.length > 0) {
      this.#sending = this.#publish(ids).finally(() => {
        this.#sending = undefined;
        this.#send();
      });
    } else {
      this.#timer = setTimeout(() => this.#send(), INTERVAL_MS / 4).unref();
    }
  }

  async #publish(uploadIds: readonly string[]): Promise<void> {
    const payloads = uploadIds.map((uploadId) => {
      const payload = toJson({ from: this.#self, uploadId });
      return [payload.length < PAYLOAD_LIMIT ? payload : toJson({ from: this.#self })];
    });
    const [array] = arraysOf([["payload", "json"]], payloads);
    try {
      await this.#connections.use((connection) => connection.query(this.#notify, [this.#channel, array ?? "{}"]));
    } catch {
      // Whoever waits for the hint looks by itself before long.
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let listening: Listening | undefined;
      try {
        listening = await listen(this.#connections, this.#channel, (payload) => this.#hear(payload), signal);
        failures = 0;
        // While nobody listened, since the subscription or the last connection, anything may have changed.
        this.#tell({});
        await listening.ended;
      } catch {
        failures += 1;
      }
      await listening?.close();
      const delay = Math.min(LONGEST_DELAY_MS, 50 * 2 ** failures) * (0.5 + Math.random() / 2);
      await sleep(delay, undefined, { signal }).catch(ignore);
    }
  }

  #hear(payload: string | undefined): void {
    const { from, uploadId } = read(payload);
    if (from !== this.#self) this.#tell(uploadId === undefined ? {} : { uploadId });
  }

  #tell(hint: ChangeHint): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(hint);
      } catch {
        // Listeners observe; what one throws must not keep the hint from the others.
      }
    }
  }
}

/** Anybody may notify on the channel. */
function read(payload: string | undefined): { from?: string; uploadId?: string } {
  try {
    const said: unknown = JSON.parse(payload ?? "");
    if (typeof said !== "object" || said === null) return {};
    const text = (name: string) => {
      const value: unknown = Reflect.get(said, name);
      return typeof value === "string" ? { [name]: value } : {};
    };
    return { ...text("from"), ...text("uploadId") };
  } catch {
    return {};
  }
}
