import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";

/** Codes of `ExportResult`, which the SDK names in a package of its own. */
const SUCCESS = 0;
const SHOWN = ["bucketline.outcome", "bucketline.file.path", "aws.s3.part_number", "http.response.status_code"];

/** Prints each span when it has ended: what it is inside of comes after it. Put an OTLP exporter here. */
export class PrintSpans implements SpanExporter {
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter["export"]>[1]): void {
    for (const span of spans) this.#print(describe(span));
    done({ code: SUCCESS });
  }

  async shutdown(): Promise<void> {}
}

function describe(span: ReadableSpan): string {
  const { traceId, spanId } = span.spanContext();
  const parent = span.parentSpanContext ? ` in ${span.parentSpanContext.spanId.slice(0, 6)}` : "";
  const facts = SHOWN.flatMap((key) => (span.attributes[key] === undefined ? [] : [`${span.attributes[key]}`]));
  const [seconds, nanoseconds] = span.duration;
  const ms = Math.round(seconds * 1_000 + nanoseconds / 1e6);
  return `trace ${traceId.slice(0, 6)}  span ${spanId.slice(0, 6)}${parent}  ${span.name}  ${facts.join(" ")}  ${ms} ms`;
}
