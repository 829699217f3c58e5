import { InputError } from "./errors.ts";

/** Alternatives that one pattern may stand for: each is tried for every file. */
const MAX_ALTERNATIVES = 256;

/**
 * Writes out the brace lists `{a,b}` and ranges `{1..9}`, `{01..12}`, `{a..f}`, `{0..100..10}` of a pattern whose body is
 * `wanted`, nested ones too. Braces that are neither list nor range stay as they are.
 * @throws InputError `INVALID_PATTERN`, `PATTERN_TOO_EXPENSIVE`
 */
export function expandBraces(glob: string, wanted: (body: string) => boolean): string[] {
  const done: string[] = [];
  const todo = [glob];
  for (let text = todo.pop(); text !== undefined; text = todo.pop()) {
    const brace = firstBrace(text, wanted);
    if (!brace) done.push(text);
    else for (const option of brace.options) todo.push(text.slice(0, brace.start) + option + text.slice(brace.end + 1));
    if (done.length + todo.length > MAX_ALTERNATIVES) {
      const shown = JSON.stringify(glob.slice(0, 80));
      throw new InputError(
        "PATTERN_TOO_EXPENSIVE",
        `Pattern ${shown} stands for more than ${MAX_ALTERNATIVES} alternatives. Use a star, or split it.`,
      );
    }
  }
  return done.reverse();
}

interface Brace {
  readonly start: number;
  readonly end: number;
  readonly options: readonly string[];
}

function firstBrace(text: string, wanted: (body: string) => boolean): Brace | undefined {
  for (let start = nextCharacter(text, -1); start < text.length; start = nextCharacter(text, start)) {
    if (text[start] !== "{") continue;
    const { end, commas } = closingBrace(text, start);
    const body = text.slice(start + 1, end);
    const options = commas.length > 0 ? list(text, start, end, commas) : range(body);
    if (options && wanted(body)) return { start, end, options };
  }
  return undefined;
}

/** Where the next character that is neither escaped nor in a character class stands; -1 to begin with. */
export function nextCharacter(text: string, index: number): number {
  const next = text[index] === "\\" ? index + 2 : index + 1;
  if (text[next] !== "[") return next;
  const end = closingBracket(text, next);
  return end < 0 ? next : end;
}

/** @returns the index of the `]` that ends the class beginning at `start`; -1 when there is none */
export function closingBracket(text: string, start: number): number {
  let index = start + 1;
  if (text[index] === "!" || text[index] === "^") index++;
  if (text[index] === "]") index++;
  for (; index < text.length && text[index] !== "/"; index++) {
    if (text[index] === "]") return index;
    if (text[index] === "\\") index++;
    else if (text.startsWith("[:", index) && text.includes(":]", index + 2)) index = text.indexOf(":]", index + 2) + 1;
  }
  return -1;
}

function closingBrace(text: string, start: number): { readonly end: number; readonly commas: readonly number[] } {
  const commas: number[] = [];
  let depth = 0;
  for (let index = start; index < text.length; index = nextCharacter(text, index)) {
    if (text[index] === "{") depth++;
    else if (text[index] === "," && depth === 1) commas.push(index);
    else if (text[index] === "}" && --depth === 0) return { end: index, commas };
  }
  const shown = JSON.stringify(text.slice(0, 80));
  throw new InputError(
    "INVALID_PATTERN",
    `Pattern ${shown}: a brace { is not closed. Write \\{ for the character itself.`,
  );
}

function list(text: string, start: number, end: number, commas: readonly number[]): string[] {
  const cuts = [start, ...commas, end];
  return cuts.slice(1).map((cut, index) => text.slice((cuts[index] ?? 0) + 1, cut));
}

function range(body: string): string[] | undefined {
  const found = /^(-?\d{1,9}|[A-Za-z])\.\.(-?\d{1,9}|[A-Za-z])(?:\.\.(-?\d{1,9}))?$/.exec(body);
  const [, from = "", to = "", by = "1"] = found ?? [];
  const letters = /[A-Za-z]/.test(from);
  if (!found || letters !== /[A-Za-z]/.test(to)) return undefined;
  const first = letters ? from.charCodeAt(0) : Number(from);
  const last = letters ? to.charCodeAt(0) : Number(to);
  const step = Math.max(1, Math.abs(Number(by)));
  const width = [from, to].some((bound) => /^-?0\d/.test(bound)) ? Math.max(from.length, to.length) : 0;
  const options: string[] = [];
  // One more than may be used is enough for the caller to refuse.
  for (let index = 0; index <= Math.abs(last - first) / step && index <= MAX_ALTERNATIVES; index++) {
    const value = first + Math.sign(last - first) * index * step;
    options.push(letters ? String.fromCharCode(value) : padded(value, width));
  }
  return options;
}

function padded(value: number, width: number): string {
  return value < 0 ? `-${String(-value).padStart(width - 1, "0")}` : String(value).padStart(width, "0");
}
