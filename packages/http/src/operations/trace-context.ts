import type { Context, SpanContext } from "@opentelemetry/api";

/**
 * The key under which every version of OpenTelemetry's API keeps the span of a context (`trace.setSpan`): shared by symbol,
 * so that versions get on with each other. Known here, the API itself is not needed.
 */
const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

const SAMPLED = 1;

/**
 * What the caller's header says (W3C Trace Context, level 1, section 3.2); undefined when it says nothing that can be taken over.
 * Fields that a later version adds are passed over.
 */
export function parentOf(traceparent: string | readonly string[] | undefined): Context | undefined {
  const found = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(String(traceparent).trim());
  if (!found) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", more] = found;
  const isMalformed = version === "ff" || (version === "00" && more !== undefined);
  if (isMalformed || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const traceFlags = Number.parseInt(flags, 16) & SAMPLED;
  const remote: SpanContext = { traceId, spanId, traceFlags, isRemote: true };
  return new Values(new Map([[SPAN_KEY, { spanContext: () => remote }]]));
}

/** For requests that we send. */
export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, "0")}`;
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
