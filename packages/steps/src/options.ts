import { createHash } from "node:crypto";
import { InputError } from "@bucketline/core";

/** What every ready-made step takes. */
export interface StepOptions {
  /** The step's name in timelines, events and spans; unique in its pipeline. Default: the name of the function that makes it. */
  readonly name?: string;
}

/** What transforms that make another kind of file take. */
export interface SuffixOptions extends StepOptions {
  /** Appended to the object's key, such as `.gz`. Default: none. */
  readonly keySuffix?: string;
}

/** @throws InputError `INVALID_PIPELINE` */
export function invalidStep(step: string, message: string): never {
  throw new InputError("INVALID_PIPELINE", `Step ${step}: ${message}`);
}

/** @throws InputError `INVALID_PIPELINE` unless it is a whole number from `least` to `most` */
export function wholeNumber(step: string, option: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return invalidStep(step, `${option} is ${JSON.stringify(value) ?? "missing"}; it must be a whole number ${range}.`);
}

/** @throws InputError `INVALID_PIPELINE` unless it is a list of strings of the given form */
export function listOf(step: string, option: string, value: unknown, form: RegExp, meaning: string): readonly string[] {
  if (!Array.isArray(value)) return invalidStep(step, `${option} must be a list of ${meaning}.`);
  for (const entry of value) {
    if (typeof entry !== "string" || !form.test(entry))
      invalidStep(step, `${option} has ${JSON.stringify(entry) ?? "a hole"}, which is none of ${meaning}.`);
  }
  return value;
}

/** @throws InputError `INVALID_PIPELINE` unless it is one of the choices */
export function oneOf<T extends string>(step: string, option: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  return invalidStep(step, `${option} is ${JSON.stringify(value) ?? "missing"}; it must be ${choices.join(" or ")}.`);
}

/** The empty suffix stands for none. */
export function hasSuffix(keySuffix: string | undefined): keySuffix is string {
  return keySuffix !== undefined && keySuffix !== "";
}

/** The version of a step with these options, in whatever order; none if all of them are undefined, which stands for the default. */
export function versionOf(options: Readonly<Record<string, unknown>>): { readonly version?: string } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  if (given.length === 0) return {};
  const sorted = given.sort(([one], [other]) => (one < other ? -1 : 1));
  return { version: createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 16) };
}

/** The option, unless it is what stands for none. */
export function unlessDefault<T>(value: T, standard: T): T | undefined {
  return value === standard ? undefined : value;
}
