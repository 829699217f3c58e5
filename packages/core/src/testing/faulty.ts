import { setImmediate as immediate } from "node:timers/promises";
import type { Clock, Random } from "../ports/clock.ts";

// biome-ignore lint/suspicious/noExplicitAny: parameters of methods that are not known here
type AnyMethod = (...args: any[]) => unknown;

type MethodName<T> = { [K in keyof T]-?: NonNullable<T[K]> extends AnyMethod ? K : never }[keyof T];

/** What to throw, or what makes a new error for every firing. */
export type ErrorSource = Error | (() => unknown);

/** One intercepted call, for a fault of one's own. */
export interface FaultedCall {
  readonly method: string;
  readonly args: readonly unknown[];
  /** Makes the call and gives what it returned. */
  readonly proceed: () => unknown;
}

/**
 * What goes wrong.
 * `before` the call is never made · `after` it is made and its answer lost · `hang` it does not settle until the
 * signal among its arguments aborts (made first, or not) · `delayMs` it is made later, on the clock ·
 * `afterItems` the async iterable it returns fails after so many items · `run` anything else.
 */
export type Fault =
  | { readonly before: ErrorSource }
  | { readonly after: ErrorSource }
  | { readonly hang: "before" | "after" }
  | { readonly delayMs: number }
  | { readonly afterItems: number; readonly error: ErrorSource }
  | { readonly run: (call: FaultedCall) => unknown };

/** When it goes wrong: in matching calls `nth` … `nth + times - 1`, each with the probability. */
export interface FaultWindow {
  /** First matching call that is hit, from 1. Default 1. */
  readonly nth?: number;
  /** How many matching calls in a row, `Infinity` for all. Default 1. */
  readonly times?: number;
  /** Of being hit inside the window, 0 … 1. Default 1. Needs `random` when below 1. */
  readonly probability?: number;
}

/** Which calls of which method fail, and how. */
export type FaultRule<T extends object> = {
  [K in MethodName<T>]: FaultWindow &
    Fault & {
      readonly method: K;
      /** Only calls with arguments like these count. Default: every call. */
      readonly when?: T[K] extends (...args: infer Arguments) => unknown ? (...args: Arguments) => boolean : never;
    };
}[MethodName<T>];

/** A rule at work. */
export interface InjectedFault {
  /** Matching calls so far. */
  readonly matched: number;
  /** How many of them were hit. */
  readonly fired: number;
  /** Lets every later call pass. */
  remove(): void;
}

/** What faults of `faulty` run on. */
export interface FaultOptions {
  /** For `delayMs`. */
  readonly clock?: Clock;
  /** For `probability`. */
  readonly random?: Random;
}

/** A port with faults, and what a test steers them by. */
export interface Faulty<T extends object> {
  /** The target as the code under test gets it. */
  readonly port: T;
  /** The rules handed in, in their order, then the injected ones. */
  readonly rules: readonly InjectedFault[];
  /** Adds a rule while the test runs. */
  inject(rule: FaultRule<T>): InjectedFault;
}

/**
 * Wraps any port so that chosen calls go wrong. Calls that no rule hits reach the target as they are. The first rule
 * that hits decides; rules behind it still count the call.
 */
export function faulty<T extends object>(
  target: T,
  rules: readonly FaultRule<T>[] = [],
  options: FaultOptions = {},
): Faulty<T> {
  const active: ActiveRule[] = [];
  const inject = (rule: FaultRule<T>): InjectedFault => {
    const added = new ActiveRule(rule as unknown as UntypedRule, options);
    active.push(added);
    return added;
  };
  for (const rule of rules) inject(rule);
  const wrapped = new Map<PropertyKey, AnyMethod>();
  const port = new Proxy(target, {
    get(_, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      const known = wrapped.get(property);
      if (known) return known;
      const method = (...args: unknown[]): unknown => {
        const hits = active.filter((rule) => rule.hits(property, args));
        const proceed = () => Reflect.apply(value, target, args) as unknown;
        return hits[0] ? hits[0].fire({ method: String(property), args, proceed }) : proceed();
      };
      wrapped.set(property, method);
      return method;
    },
  });
  return { port, rules: active, inject };
}

type UntypedRule = FaultWindow & Fault & { readonly method: PropertyKey; readonly when?: AnyMethod };

class ActiveRule implements InjectedFault {
  matched = 0;
  fired = 0;
  readonly #rule: UntypedRule;
  readonly #options: FaultOptions;
  #removed = false;

  constructor(rule: UntypedRule, options: FaultOptions) {
    if ("delayMs" in rule && !options.clock) throw new TypeError("A fault with delayMs needs a clock.");
    if ((rule.probability ?? 1) < 1 && !options.random)
      throw new TypeError("A fault with a probability needs a random source.");
    this.#rule = rule;
    this.#options = options;
  }

  remove(): void {
    this.#removed = true;
  }

  hits(method: PropertyKey, args: unknown[]): boolean {
    const { when, nth = 1, times = 1, probability = 1 } = this.#rule;
    if (this.#removed || method !== this.#rule.method || (when && !when(...args))) return false;
    this.matched += 1;
    if (this.matched < nth || this.matched >= nth + times) return false;
    return probability >= 1 || (this.#options.random?.() ?? 1) < probability;
  }

  fire(call: FaultedCall): unknown {
    this.fired += 1;
    const rule = this.#rule;
    if ("run" in rule) return rule.run(call);
    if ("afterItems" in rule) return failAfter(call.proceed() as AsyncIterable<unknown>, rule.afterItems, rule.error);
    return this.#settle(call, rule);
  }

  async #settle(call: FaultedCall, rule: Exclude<Fault, { run: unknown } | { afterItems: unknown }>): Promise<unknown> {
    if ("delayMs" in rule) {
      await this.#options.clock?.sleep(rule.delayMs, signalOf(call.args));
      return call.proceed();
    }
    // A real call never fails in the same turn of the event loop in which it was made.
    await immediate();
    if ("before" in rule) throw errorOf(rule.before);
    if ("after" in rule || rule.hang === "after") await call.proceed();
    if ("after" in rule) throw errorOf(rule.after);
    return aborted(signalOf(call.args));
  }
}

async function* failAfter(items: AsyncIterable<unknown>, count: number, error: ErrorSource): AsyncGenerator<unknown> {
  let left = count;
  if (left <= 0) throw errorOf(error);
  for await (const item of items) {
    yield item;
    left -= 1;
    if (left <= 0) throw errorOf(error);
  }
  throw errorOf(error);
}

function errorOf(source: ErrorSource): unknown {
  return source instanceof Error ? source : source();
}

/** The signal a call was given: as an argument, or as the property of one. */
function signalOf(args: readonly unknown[]): AbortSignal | undefined {
  for (const arg of args) {
    if (arg instanceof AbortSignal) return arg;
    const signal: unknown = typeof arg === "object" && arg !== null && "signal" in arg ? arg.signal : undefined;
    if (signal instanceof AbortSignal) return signal;
  }
  return undefined;
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    else signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
