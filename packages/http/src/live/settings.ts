import { InputError } from "@bucketline/core";
import type { EventOptions } from "../options.ts";

export type LiveSettings = Required<EventOptions>;

const DEFAULTS: LiveSettings = { buffer: 10_000, heartbeat: 15_000, maxStreams: 2000, maxBacklog: 1024 * 1024 };
/** Timers of Node.js count no further. */
const LONGEST = 2 ** 31 - 1;

/** @throws InputError `INVALID_OPTION` */
export function liveSettings(options: EventOptions = {}): LiveSettings {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(DEFAULTS, name)) throw new InputError("INVALID_OPTION", `Option events.${name} is not known.`);
    if (!Number.isSafeInteger(value) || value < 1 || value > LONGEST)
      throw new InputError("INVALID_OPTION", `Option events.${name} must be a whole number from 1 to ${LONGEST}.`);
  }
  return { ...DEFAULTS, ...Object.fromEntries(given) };
}
