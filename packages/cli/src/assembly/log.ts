import { type Logger as Pino, pino } from "pino";
import type { Config } from "../config/config.ts";

/**
 * Lines of JSON on standard error.
 * @param usual the level when nobody has set one
 */
export function makeLogger({ values }: Config, usual: "info" | "silent"): Pino {
  return pino({ level: values.logLevel ?? usual }, pino.destination({ dest: 2, sync: true }));
}
