import picomatch from "picomatch";
import { InputError } from "./errors.ts";
import { closingBracket, expandBraces, nextCharacter } from "./glob-braces.ts";

/** Whether one name, of a file or folder, matches one segment of a pattern. */
export type NameMatcher = (name: string) => boolean;

const STAR = Symbol("*");
const ANY = Symbol("?");
type Token = string | RegExp | typeof STAR | typeof ANY;

/** What a pattern may still cost: the characters that each character of a path is compared with, at worst. */
export interface Budget {
  left: number;
}

/**
 * Compiles what stands between two slashes of a pattern. Braces, classes, `?` and any number of stars are matched in at
 * most name × pattern steps; extended globs, `@(a|b)` and their kin, are picomatch's, as far as they are cheap.
 * @param dot whether wildcards match names that start with a dot
 * @throws InputError `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE`
 */
export function compileSegment(segment: string, dot: boolean, budget: Budget): NameMatcher {
  const literals = new Set<string>();
  const matchers: NameMatcher[] = [];
  for (const alternative of expandBraces(segment, () => true)) {
    const tokens = hasGroup(alternative) ? undefined : tokenize(alternative);
    budget.left -= tokens ? tokens.length : groupCost(alternative);
    if (budget.left < 0) throw tooExpensive(segment, "too many alternatives, stars or groups");
    if (!tokens) matchers.push(compileGroups(alternative, dot));
    else if (tokens.every((token) => typeof token === "string")) literals.add(tokens.join(""));
    else matchers.push(compileTokens(tokens, dot));
  }
  const [only] = matchers;
  if (only && literals.size === 0 && matchers.length === 1) return only;
  return (name) => literals.has(name) || matchers.some((matches) => matches(name));
}

function compileTokens(tokens: readonly Token[], dot: boolean): NameMatcher {
  const [first, ...rest] = tokens;
  // `*.jpg`, the pattern of nearly everybody.
  if (first === STAR && rest.every((token) => typeof token === "string")) {
    const ending = rest.join("");
    return (name) => (dot || name[0] !== ".") && name.endsWith(ending);
  }
  return (name) => (dot || name[0] !== "." || first === ".") && matchTokens(tokens, name);
}

function tokenize(segment: string): Token[] {
  const tokens: Token[] = [];
  for (let index = 0; index < segment.length; index++) {
    const character = segment[index] as string;
    if (character === "*" && tokens.at(-1) !== STAR) tokens.push(STAR);
    else if (character === "?") tokens.push(ANY);
    else if (character === "\\") tokens.push(segment[++index] ?? "\\");
    else if (character === "[") {
      const end = closingBracket(segment, index);
      if (end < 0) throw invalid(segment, "a bracket [ is not closed. Write \\[ for the character itself");
      tokens.push(characterClass(segment, segment.slice(index + 1, end)));
      index = end;
    } else if (character !== "*") tokens.push(character);
  }
  return tokens;
}

/** Goes back to the last star only: what an earlier one could take instead, the last one can take as well. */
function matchTokens(tokens: readonly Token[], name: string): boolean {
  let token = 0;
  let star = -1;
  let resume = 0;
  for (let index = 0; index < name.length; ) {
    const wanted = tokens[token];
    if (wanted === STAR) {
      star = token++;
      resume = index;
    } else if (wanted !== undefined && matchCharacter(wanted, name[index] as string)) {
      token++;
      index++;
    } else if (star >= 0) {
      token = star + 1;
      index = ++resume;
    } else return false;
  }
  while (tokens[token] === STAR) token++;
  return token === tokens.length;
}

function matchCharacter(token: Exclude<Token, typeof STAR>, character: string): boolean {
  if (typeof token === "string") return token === character;
  return token === ANY || token.test(character);
}

const POSIX: Readonly<Record<string, string>> = {
  alnum: "A-Za-z0-9",
  alpha: "A-Za-z",
  blank: " \\t",
  digit: "0-9",
  lower: "a-z",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\s",
  upper: "A-Z",
  word: "\\w",
  xdigit: "A-Fa-f0-9",
};

function characterClass(segment: string, body: string): RegExp {
  const negated = body[0] === "!" || body[0] === "^";
  const source = (negated ? body.slice(1) : body).replace(
    /\[:(\w+):\]|\\(.)|[\\[\]^]/g,
    (all, posix?: string, escaped?: string) => {
      if (posix !== undefined) return POSIX[posix] ?? all.replace(/[[\]]/g, "\\$&");
      return escaped === undefined ? `\\${all}` : escaped.replace(/[\\[\]^-]/g, "\\$&");
    },
  );
  try {
    return new RegExp(`^[${negated ? "^" : ""}${source}]$`, "s");
  } catch (cause) {
    throw invalid(segment, "a range in brackets runs backwards", cause);
  }
}

/** A group, `@(a|b)` or `(a|b)`. Parentheses without prefix and bar are part of names, as in `Photos (old)`. */
function hasGroup(segment: string): boolean {
  return groups(segment).length > 0;
}

interface Group {
  readonly prefix: string;
  readonly body: string;
}

function groups(segment: string): Group[] {
  const found: Group[] = [];
  let open = -1;
  for (let index = nextCharacter(segment, -1); index < segment.length; index = nextCharacter(segment, index)) {
    if (segment[index] === "(") {
      const nested = open >= 0 && (prefixOf(segment, open) !== "" || prefixOf(segment, index) !== "");
      if (nested) throw tooExpensive(segment, "a group inside a group");
      open = index;
    } else if (segment[index] === ")" && open >= 0) {
      const group = { prefix: prefixOf(segment, open), body: segment.slice(open + 1, index) };
      if (group.prefix !== "" || group.body.includes("|")) found.push(group);
      open = -1;
    }
  }
  if (open >= 0 && prefixOf(segment, open) !== "")
    throw invalid(
      segment,
      "a parenthesis ( is not closed; groups cannot hold slashes. Write \\( for the character itself",
    );
  return found;
}

/** What stands before the parenthesis at `open` and makes it an extended glob. */
function prefixOf(segment: string, open: number): string {
  const character = segment[open - 1] ?? "";
  return "!@?+*".includes(character) && segment[open - 2] !== "\\" ? character : "";
}

/**
 * What picomatch's backtracking may cost, per character of the name: every group tries its alternatives behind each way in
 * which the groups before it matched. A second star or repeated group would make that the square of the name's length.
 */
function groupCost(segment: string): number {
  const found = groups(segment);
  const outside = found.reduce((rest, { prefix, body }) => rest.replace(`${prefix}(${body})`, "()"), segment);
  let repeats = stars(outside);
  let ways = segment.length;
  for (const group of found) {
    const alternatives = group.body.split("|");
    const starsInside = Math.max(...alternatives.map(stars));
    // What a negation looks ahead for is looked for once when the segment begins with it.
    const once = group.prefix === "!" && segment.startsWith("!(") && starsInside <= 1;
    repeats += (/[!+*]/.test(group.prefix) ? 1 : 0) + (once ? 0 : starsInside);
    ways *= alternatives.length + 1;
  }
  if (repeats > 1) throw tooExpensive(segment, "more than one star or repeat beside a group");
  if (found.some(isAmbiguousRepeat))
    throw tooExpensive(segment, "a repeated group whose alternatives begin alike or hold wildcards");
  return ways;
}

function stars(text: string): number {
  return text.replace(/\\./g, "").match(/\*+/g)?.length ?? 0;
}

function compileGroups(segment: string, dot: boolean): NameMatcher {
  // After a group or class, picomatch takes a plus for a quantifier, and it knows `^` alone for the negation of a class.
  const glob = segment.replace(/\\.|\+(?!\()|\[!/g, (piece) => (piece === "+" ? "\\+" : piece === "[!" ? "[^" : piece));
  const spellsDot = dot || /(^|[(|)])\./.test(segment);
  try {
    const matches = picomatch(glob, { dot, strictBrackets: true, nobrace: true });
    return (name) => (spellsDot || name[0] !== ".") && matches(name);
  } catch (cause) {
    throw invalid(segment, (cause as Error).message, cause);
  }
}

/** With one class, or literal alternatives that begin differently, there is one way to read a name; otherwise there may be 2^length. */
function isAmbiguousRepeat({ prefix, body }: Group): boolean {
  if (prefix !== "+" && prefix !== "*") return false;
  if (/^\[[^\\[\]]+\]$/.test(body)) return false;
  const firsts = body.split("|").map((alternative) => alternative[0]);
  return /[\\*?[\](){}+]/.test(body) || firsts.includes(undefined) || new Set(firsts).size < firsts.length;
}

function invalid(segment: string, what: string, cause?: unknown): InputError {
  return new InputError("INVALID_PATTERN", `Pattern ${JSON.stringify(segment.slice(0, 80))}: ${what}.`, { cause });
}

function tooExpensive(segment: string, what: string): InputError {
  const shown = JSON.stringify(segment.slice(0, 80));
  return new InputError(
    "PATTERN_TOO_EXPENSIVE",
    `Pattern ${shown} could take very long to match: ${what}. Split it into several patterns.`,
  );
}
