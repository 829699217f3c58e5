import { type CheckStep, defineStep } from "@bucketline/core";
import { invalidStep, type StepOptions, wholeNumber } from "./options.ts";

/** The limits of `sizeLimit`. At least one is needed. */
export interface SizeLimitOptions extends StepOptions {
  /** Least size in bytes; a file of this size is accepted. Default: 0. */
  readonly min?: number;
  /** Largest size in bytes; a file of this size is accepted. Default: none. */
  readonly max?: number;
}

/**
 * Refuses files that are smaller or larger than the limits, by the size of the source file before any transform.
 * Unlike the upload's own `minSize` and `maxSize`, which leave such files out as SKIPPED, this makes them FAILED.
 * @throws InputError `INVALID_PIPELINE` without a limit, or with limits that no file can meet
 */
export function sizeLimit(options: SizeLimitOptions): CheckStep {
  const { name = "sizeLimit" } = options;
  if (options.min === undefined && options.max === undefined) invalidStep(name, "give min, max or both.");
  const min = wholeNumber(name, "min", options.min ?? 0, 0, Number.MAX_SAFE_INTEGER);
  const max = options.max === undefined ? undefined : wholeNumber(name, "max", options.max, 0, Number.MAX_SAFE_INTEGER);
  if (max !== undefined && max < min) invalidStep(name, `max is ${max}, less than min, which is ${min}.`);
  return defineStep({
    name,
    check: async ({ size }) => {
      if (size < min) return { accepted: false, message: `The file has ${size} bytes; at least ${min} are required.` };
      if (max !== undefined && size > max)
        return { accepted: false, message: `The file has ${size} bytes; at most ${max} are allowed.` };
      return { accepted: true, message: `${size} bytes` };
    },
  });
}
