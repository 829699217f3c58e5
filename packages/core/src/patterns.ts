import picomatch from "picomatch";
import { InputError } from "./errors.ts";

const MAX_PATTERN_LENGTH = 1_000;
const MAX_PATTERNS = 100;
/** Stars that one path segment, or one pattern across segments, may have: matching costs up to length^stars. */
const MAX_STARS_PER_SEGMENT = 3;
const MAX_GLOBSTARS = 4;

/** Which files an upload takes, and which folders can hold none of them. */
export interface PathFilter {
  includes(path: string): boolean;
  /** False when no file below the folder can be included. */
  descends(folder: string): boolean;
}

/**
 * Compiles glob patterns (picomatch), relative to the source folder. No `include` pattern: every file.
 * @throws InputError `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE`
 */
export function compilePatterns(spec: {
  readonly pattern: readonly string[];
  readonly exclude: readonly string[];
  readonly dot: boolean;
}): PathFilter {
  if (spec.pattern.length + spec.exclude.length > MAX_PATTERNS) {
    throw new InputError("PATTERN_TOO_EXPENSIVE", `More than ${MAX_PATTERNS} patterns. Merge some with braces: {a,b}.`);
  }
  const include = compile(spec.pattern, spec.dot);
  // What is excluded is excluded with dots as well: an exclusion that misses files would surprise.
  const exclude = compile(spec.exclude, true);
  const excludesBelow = compile(spec.exclude.filter((glob) => glob.endsWith("/**")).map((glob) => glob.slice(0, -3)), true);
  const bases = spec.pattern.map((glob) => picomatch.scan(glob).base.replace(/\/$/, ""));
  const hidden = spec.dot || spec.pattern.some((glob) => /(^|[/{,(|!])\./.test(glob));
  return {
    includes: (path) => include(path) && !exclude(path),
    descends(folder) {
      if (exclude(folder) || excludesBelow(folder)) return false;
      if (!hidden && /(^|\/)\.[^/]*$/.test(folder)) return false;
      return bases.some((base) => base === "" || isWithin(base, folder) || isWithin(folder, base));
    },
  };
}

function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(`${outer}/`);
}

function compile(globs: readonly string[], dot: boolean): (path: string) => boolean {
  for (const glob of globs) checkPattern(glob);
  if (globs.length === 0) return () => false;
  try {
    return picomatch([...globs], { dot, strictBrackets: true });
  } catch (error) {
    throw new InputError("INVALID_PATTERN", `Pattern ${JSON.stringify(globs)}: ${(error as Error).message}.`, { cause: error });
  }
}

/**
 * A backtracking matcher may need length^stars steps, so patterns that could stall a scan are refused up front.
 * @throws InputError `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE`
 */
function checkPattern(glob: string): void {
  const shown = JSON.stringify(glob.slice(0, 80));
  if (typeof glob !== "string" || glob.trim() === "") throw new InputError("INVALID_PATTERN", "A pattern is empty. Leave it out to take every file.");
  if (glob.includes("\0")) throw new InputError("INVALID_PATTERN", `Pattern ${shown} has a NUL character.`);
  if (glob.startsWith("/")) throw new InputError("INVALID_PATTERN", `Pattern ${shown} is absolute: patterns are relative to the source folder.`);
  if (glob.length > MAX_PATTERN_LENGTH) throw new InputError("PATTERN_TOO_EXPENSIVE", `Pattern ${shown}… is longer than ${MAX_PATTERN_LENGTH} characters.`);
  const expensive =
    glob.split("/").some((segment) => stars(segment) > MAX_STARS_PER_SEGMENT) ||
    glob.split("/").filter((segment) => segment.includes("**")).length > MAX_GLOBSTARS ||
    hasNestedRepeat(glob);
  if (expensive) throw new InputError("PATTERN_TOO_EXPENSIVE", `Pattern ${shown} could take very long to match. Use fewer stars, or split it.`);
}

function stars(segment: string): number {
  return segment.replaceAll(/\\./g, "").match(/\*+(?!\()/g)?.length ?? 0;
}

/** A repeat inside a repeat, `+(*(a))`, or a repeat of alternatives that hold wildcards, doubles the work per character. */
function hasNestedRepeat(glob: string): boolean {
  const repeats = glob.match(/[*+]\(/g)?.length ?? 0;
  return repeats > 1 || /[*+]\([^)]*[*?+([{][^)]*\)/.test(glob);
}
