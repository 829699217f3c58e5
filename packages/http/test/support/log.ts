import { Writable } from "node:stream";
import pino, { type Logger } from "pino";
import { LOG_REDACTION } from "../../src/index.ts";

/** Everything is logged, as text, line by line. */
export function recordedLog(): { readonly logger: Logger; readonly lines: () => string[] } {
  const chunks: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const logger = pino({ level: "trace", redact: LOG_REDACTION }, sink);
  return { logger, lines: () => chunks.join("").split("\n").slice(0, -1) };
}
