import type { Context, Span } from "@opentelemetry/api";

/** Spans that have begun, by what they are about. Never more than so many: the oldest one makes room. */
export class OpenSpans<Open extends { readonly span: Span }> {
  readonly #limit: number;
  readonly #evict: (open: Open) => void;
  readonly #open = new Map<string, Open>();

  /** @param evict ends the one that makes room */
  constructor(limit: number, evict: (open: Open) => void) {
    this.#limit = limit;
    this.#evict = evict;
  }

  get(key: string): Open | undefined {
    return this.#open.get(key);
  }

  add(key: string, open: Open): void {
    if (this.#open.size >= this.#limit) {
      const [oldest] = this.#open.keys();
      const evicted = oldest === undefined ? undefined : this.take(oldest);
      if (evicted) this.#evict(evicted);
    }
    this.#open.set(key, open);
  }

  take(key: string): Open | undefined {
    const open = this.#open.get(key);
    this.#open.delete(key);
    return open;
  }

  /** Takes out all whose key begins like this. */
  takeAll(prefix: string): Open[] {
    const keys = [...this.#open.keys()].filter((key) => key.startsWith(prefix));
    return keys.flatMap((key) => this.take(key) ?? []);
  }
}

/**
 * The key under which every version of the API keeps the span of a context (`trace.setSpan`): shared by symbol, so that
 * versions get on with each other. Known here, the API itself is not needed.
 */
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

/** A context in which the span is the parent of what begins. */
export function insideOf(span: Span, outer: Context | undefined): Context {
  return (outer ?? new Values(new Map())).setValue(SPAN_KEY, span);
}

class Values implements Context {
  readonly #values: ReadonlyMap<symbol, unknown>;

  constructor(values: ReadonlyMap<symbol, unknown>) {
    this.#values = values;
  }

  getValue(key: symbol): unknown {
    return this.#values.get(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return new Values(new Map([...this.#values, [key, value]]));
  }

  deleteValue(key: symbol): Context {
    return new Values(new Map([...this.#values].filter(([known]) => known !== key)));
  }
}
