import { InputError } from "./errors.ts";
import { expandBraces } from "./glob-braces.ts";
import { type Budget, compileSegment, type NameMatcher } from "./glob-segment.ts";

const MAX_PATTERN_LENGTH = 1_000;
const MAX_PATTERNS = 100;
const MAX_SEGMENTS = 64;
const MAX_COST = 10_000;

/** Which files an upload takes, and which folders can hold none of them. */
export interface PathFilter {
  includes(path: string): boolean;
  /** False when no file below the folder can be included. */
  descends(folder: string): boolean;
  /** As `includes`, for many names of one folder. */
  namesIn?(folder: string): NameMatcher;
  /** What it was compiled from, so that another thread can compile it again. */
  readonly spec?: PatternSpec;
}

export interface PatternSpec {
  readonly pattern: readonly string[];
  readonly exclude: readonly string[];
  /** Whether patterns match names that start with a dot. */
  readonly dot: boolean;
}

/**
 * Compiles glob patterns (picomatch's syntax), relative to the source folder. No pattern: every file.
 *
 * A pattern is matched folder by folder, as a state machine over the names of a path, so that its cost grows with the
 * path and never explodes, and so that a folder is left out only when no name below it could lead to a match. What
 * `exclude` matches is left out with everything below it. `photos/` means `photos/**`.
 * @throws InputError `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE`
 */
export function compilePatterns(spec: PatternSpec): PathFilter {
  if (spec.pattern.length + spec.exclude.length > MAX_PATTERNS) {
    throw new InputError("PATTERN_TOO_EXPENSIVE", `More than ${MAX_PATTERNS} patterns. Merge some with braces: {a,b}.`);
  }
  const include = compile(spec.pattern.length === 0 ? ["**"] : spec.pattern, spec.dot);
  // What is excluded is excluded with dots as well: an exclusion that misses files would surprise.
  const exclude = compile(spec.exclude, true);
  const folders = new FolderMemory(include, exclude);
  return {
    includes(path) {
      const slash = path.lastIndexOf("/");
      return folders.state(slash < 0 ? "" : path.slice(0, slash))?.wants(path.slice(slash + 1)) ?? false;
    },
    namesIn: (folder) => folders.state(folder)?.wants ?? nothing,
    descends: (folder) => folders.state(folder) !== undefined,
    spec: { pattern: [...spec.pattern], exclude: [...spec.exclude], dot: spec.dot },
  };
}

const nothing: NameMatcher = () => false;

interface FolderState {
  readonly include: readonly Place[];
  readonly exclude: readonly Place[];
  /** Which files of the folder are wanted. */
  readonly wants: NameMatcher;
}

/** Remembers where the last folder leads: a scan asks for all files of a folder, one after another. */
class FolderMemory {
  readonly #include: Globs;
  readonly #exclude: Globs;
  readonly #top: FolderState | undefined;
  #folder = "";
  #state: FolderState | undefined;

  constructor(include: Globs, exclude: Globs) {
    this.#include = include;
    this.#exclude = exclude;
    this.#top = this.#stateOf(include.start, exclude.start);
    this.#state = this.#top;
  }

  /** undefined: nothing below the folder can be included. */
  state(folder: string): FolderState | undefined {
    if (folder !== this.#folder) {
      this.#state = folder === "" ? this.#top : this.#walk(folder.split("/"));
      this.#folder = folder;
    }
    return this.#state;
  }

  #walk(names: readonly string[]): FolderState | undefined {
    let state = this.#top;
    for (const name of names) {
      if (!state || this.#exclude.matchesAfter(state.exclude, name)) return undefined;
      const include = this.#include.after(state.include, name);
      const exclude = this.#exclude.after(state.exclude, name);
      state = include.length === 0 || exclude.some(takesAll) ? undefined : this.#stateOf(include, exclude);
    }
    return state;
  }

  #stateOf(include: readonly Place[], exclude: readonly Place[]): FolderState {
    const takes = this.#include.lastNames(include);
    const drops = this.#exclude.lastNames(exclude);
    const wants: NameMatcher = drops === nothing ? takes : (name) => takes(name) && !drops(name);
    return { include, exclude, wants };
  }
}

/** A position in a pattern: this many of its steps are behind. */
interface Place {
  readonly glob: Glob;
  readonly step: number;
}

interface Glob {
  /** One matcher per segment; null: `**`, any number of folders. */
  readonly steps: readonly (NameMatcher | null)[];
  readonly places: readonly Place[];
}

/** Several patterns, followed at once. */
class Globs {
  readonly start: readonly Place[];
  readonly #dot: boolean;

  constructor(globs: readonly Glob[], dot: boolean) {
    this.#dot = dot;
    const start = new Set<Place>();
    for (const glob of globs) arrive(glob, 0, start);
    this.start = [...start];
  }

  /** Places from which the rest of a path may still match, once `name` is behind. */
  after(places: readonly Place[], name: string): readonly Place[] {
    const next = new Set<Place>();
    for (const { glob, step } of places) {
      const matches = glob.steps[step];
      if (matches === null && (this.#dot || name[0] !== ".")) arrive(glob, step, next);
      else if (matches?.(name)) arrive(glob, step + 1, next);
    }
    return [...next];
  }

  /** Whether a path that ends with the name matches. */
  matchesAfter(places: readonly Place[], name: string): boolean {
    return this.lastNames(places)(name);
  }

  /** The names with which a path that has come to these places may end. */
  lastNames(places: readonly Place[]): NameMatcher {
    const matchers = places
      .filter(({ glob, step }) => step + 1 === glob.steps.length)
      .map(({ glob, step }) => glob.steps[step] ?? this.#anyName);
    const [first = nothing] = matchers;
    return matchers.length <= 1 ? first : (name) => matchers.some((matches) => matches(name));
  }

  readonly #anyName: NameMatcher = (name) => this.#dot || name[0] !== ".";
}

/** Reaches a place, and the one behind a `**` that stands there, as it may stand for nothing. */
function arrive(glob: Glob, step: number, places: Set<Place>): void {
  for (let index = step; index < glob.steps.length; index++) {
    places.add(glob.places[index] as Place);
    if (glob.steps[index] !== null) return;
  }
}

/** Nothing is left but `**`. */
function takesAll({ glob, step }: Place): boolean {
  return step === glob.steps.length - 1 && glob.steps[step] === null;
}

function compile(patterns: readonly string[], dot: boolean): Globs {
  const globs = patterns.flatMap((pattern) => {
    checkPattern(pattern);
    const budget = { left: MAX_COST };
    return expandBraces(pattern, (body) => body.includes("/")).map((glob) => compileGlob(pattern, glob, dot, budget));
  });
  return new Globs(globs, dot);
}

function compileGlob(pattern: string, glob: string, dot: boolean, budget: Budget): Glob {
  const whole = glob.replaceAll("\\/", "/").replace(/^(\.\/)+/, "");
  const segments = (whole.endsWith("/") ? `${whole}**` : whole).split("/");
  const problem =
    segments.length > MAX_SEGMENTS
      ? "has too many folders"
      : segments.some(isNoName)
        ? "has an empty, . or .. folder name"
        : "";
  if (problem !== "")
    throw new InputError("INVALID_PATTERN", `Pattern ${JSON.stringify(pattern.slice(0, 80))} ${problem}.`);
  // `**/**` is `**`.
  const kept = segments.filter((segment, index) => segment !== "**" || segments[index - 1] !== "**");
  const steps = kept.map((segment) => (segment === "**" ? null : compileSegment(segment, dot, budget)));
  const compiled: { steps: readonly (NameMatcher | null)[]; places: Place[] } = { steps, places: [] };
  compiled.places = steps.map((_, step) => ({ glob: compiled, step }));
  return compiled;
}

function isNoName(segment: string): boolean {
  return segment === "" || segment === "." || segment === "..";
}

/** @throws InputError `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE` */
function checkPattern(glob: string): void {
  if (typeof glob !== "string" || glob.trim() === "")
    throw new InputError("INVALID_PATTERN", "A pattern is empty. Leave it out to take every file.");
  const shown = JSON.stringify(glob.slice(0, 80));
  const refuse = (what: string) => new InputError("INVALID_PATTERN", `Pattern ${shown} ${what}`);
  if (glob.includes("\0")) throw refuse("has a NUL character.");
  if (glob.startsWith("/")) throw refuse("is absolute: patterns are relative to the source folder.");
  if (glob.startsWith("!") && glob[1] !== "(")
    throw refuse("begins with !: name what is to be left out in exclude. Write \\! for the character itself.");
  if (glob.length > MAX_PATTERN_LENGTH)
    throw new InputError("PATTERN_TOO_EXPENSIVE", `Pattern ${shown}… is longer than ${MAX_PATTERN_LENGTH} characters.`);
}
