import { InputError } from "./errors.ts";
import { activeHoursOption, bandwidthOption, scheduleOption, wholeNumber } from "./options.ts";
import type { AdjustableSettings } from "./upload.ts";

/** What bounds a service as a whole. null lifts a bound; what is left out stays as it is. */
export interface ServiceLimits {
  /** Bytes per second that this process sends, over all uploads. */
  readonly bandwidthLimit?: number | null;
  /** Local hours in which it sends, such as `22:00-06:00`; an upload's own hours must be open, too. */
  readonly activeHours?: string | null;
}

type Checks<T> = { readonly [K in keyof T]-?: (value: unknown) => Exclude<T[K], undefined> };

const ADJUSTABLE: Checks<AdjustableSettings> = {
  priority: (value) => wholeNumber("priority", value),
  schedule: scheduleOption,
  activeHours: activeHoursOption,
  bandwidthLimit: bandwidthOption,
};

const SERVICE: Checks<ServiceLimits> = { bandwidthLimit: bandwidthOption, activeHours: activeHoursOption };

/** @throws InputError `INVALID_OPTION`, for unknown names and for wrong values */
export function checkAdjustments(settings: unknown): Partial<AdjustableSettings> {
  return checked("settings", settings, ADJUSTABLE);
}

/** @throws InputError `INVALID_OPTION`, for unknown names and for wrong values */
export function checkLimits(limits: unknown): ServiceLimits {
  return checked("limits", limits, SERVICE);
}

function checked<T extends object>(what: string, values: unknown, checks: Checks<T>): Partial<T> {
  if (typeof values !== "object" || values === null || Array.isArray(values))
    throw new InputError("INVALID_OPTION", `The ${what} must be an object, not ${JSON.stringify(values)}.`);
  const result: Partial<T> = {};
  for (const [name, value] of Object.entries(values)) {
    if (!Object.hasOwn(checks, name)) {
      const known = Object.keys(checks).join(", ");
      throw new InputError("INVALID_OPTION", `Unknown name ${JSON.stringify(name)} in the ${what}. Known: ${known}.`);
    }
    const key = name as keyof T;
    if (value !== undefined) result[key] = checks[key](value);
  }
  return result;
}
