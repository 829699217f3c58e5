import type { Setting } from "./setting.ts";

/** A text is no value of its setting. The message says what would be, such as "a duration, such as 90s, 5m or 1h". */
export class ValueProblem extends Error {}

export type Value = string | number | boolean | readonly string[];

const SIZES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};
const DURATIONS: Readonly<Record<string, number>> = {
  "": 1_000,
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SEPARATORS = { list: ",", folders: process.platform === "win32" ? ";" : ":" } as const;
const YES = ["true", "yes", "on", "1"];
const NO = ["false", "no", "off", "0"];

/** What a setting takes, for messages. */
export function wantedOf(setting: Setting): string {
  switch (setting.kind) {
    case "duration":
      return "a duration, such as 60 (seconds), 90s, 5m or 1h";
    case "size":
      return "a number of bytes, such as 8388608 or 8MiB";
    case "count":
      return `a whole number${setting.most === undefined ? `, ${setting.least} or more` : ` from ${setting.least} to ${setting.most}`}`;
    case "switch":
      return "true or false";
    case "choice":
      return `one of ${setting.choices.join(", ")}`;
    case "list":
      return "a list, such as a,b";
    case "folders":
      return `a list of folders, such as /srv/a${SEPARATORS.folders}/srv/b`;
    case "ledger":
      return "sqlite:///path, json:path or postgres://host/database";
    case "file":
      return "a path";
    case "text":
      return "a text that is not empty";
  }
}

/**
 * Reads a value as flags, the environment and quoted texts of bucketline.yaml write it.
 * @throws ValueProblem
 */
export function readWords(setting: Setting, text: string): Value {
  const value = wordsValue(setting, text);
  if (value === undefined) throw new ValueProblem(wantedOf(setting));
  return value;
}

function wordsValue(setting: Setting, text: string): Value | undefined {
  switch (setting.kind) {
    case "duration":
    case "size":
      return inRange(setting, amount(text, setting.kind === "size" ? SIZES : DURATIONS));
    case "count":
      return inRange(setting, /^\d{1,15}$/.test(text) ? Number(text) : undefined);
    case "switch":
      return YES.includes(text.toLowerCase()) ? true : NO.includes(text.toLowerCase()) ? false : undefined;
    case "choice":
      return setting.choices.find((choice) => choice === text);
    case "list":
    case "folders":
      return items(text, SEPARATORS[setting.kind]);
    case "ledger":
      return ledgerOf(text) && text;
    default:
      return text === "" || text.includes("\0") ? undefined : text;
  }
}

/** A bare number of bytes, or of seconds, as bucketline.yaml may write it. @throws ValueProblem */
export function readAmount(
  setting: Setting & { readonly kind: "count" | "duration" | "size" },
  number: number,
): number {
  const value = inRange(setting, setting.kind === "duration" ? Math.round(number * 1_000) : number);
  if (value === undefined) throw new ValueProblem(wantedOf(setting));
  return value;
}

/** Milliseconds, for options of commands. @throws ValueProblem */
export function readDuration(text: string): number {
  const value = amount(text, DURATIONS);
  if (value === undefined) throw new ValueProblem("a duration, such as 60 (seconds), 90s, 5m or 1h");
  return value;
}

/** Bytes, for options of commands. @throws ValueProblem */
export function readSize(text: string): number {
  const value = amount(text, SIZES);
  if (value === undefined) throw new ValueProblem("a number of bytes, such as 8388608 or 8MiB");
  return value;
}

/** A whole number, for options of commands. @throws ValueProblem */
export function readCount(text: string, least = Number.NEGATIVE_INFINITY): number {
  const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least) return number;
  throw new ValueProblem(least === Number.NEGATIVE_INFINITY ? "a whole number" : `a whole number, ${least} or more`);
}

function amount(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)$/.exec(text.trim()) ?? [];
  const name = unit.toLowerCase();
  const factor = Object.hasOwn(units, name) ? units[name] : undefined;
  return digits === undefined || factor === undefined ? undefined : Math.round(Number(digits) * factor);
}

function inRange(setting: { readonly least: number; readonly most?: number }, value: number | undefined) {
  if (value === undefined || !Number.isSafeInteger(value)) return undefined;
  return value >= setting.least && value <= (setting.most ?? Number.MAX_SAFE_INTEGER) ? value : undefined;
}

function items(text: string, separator: string): readonly string[] | undefined {
  const list = text
    .split(separator)
    .map((item) => item.trim())
    .filter(Boolean);
  return list.length > 0 && !text.includes("\0") ? list : undefined;
}

/** Where a ledger is, as `DATABASE_URL` says it. */
export type LedgerPlace =
  | { readonly kind: "sqlite" | "json"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: string };

/** @returns undefined when no ledger is named like that */
export function ledgerOf(url: string): LedgerPlace | undefined {
  if (/^postgres(ql)?:\/\/./.test(url)) return { kind: "postgres", url };
  // `sqlite:///./data/x.db` as SQLAlchemy writes it, `sqlite:///data/x.db`, and `sqlite:x.db`.
  const [, kind, path] = /^(sqlite|json):(?:\/\/(?:\/(?=\.{1,2}\/))?)?([^\0]+)$/.exec(url) ?? [];
  return path && (kind === "sqlite" || kind === "json") ? { kind, path } : undefined;
}

/** How a value is written where it is shown; the same text can be read again. */
export function showValue(setting: Setting, value: Value): string {
  if (Array.isArray(value)) return value.join(setting.kind === "folders" ? SEPARATORS.folders : ",");
  if (typeof value !== "number") return String(value);
  if (setting.kind === "duration") return inUnits(value, { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 });
  if (setting.kind === "size") return inUnits(value, { GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024, B: 1 });
  return String(value);
}

function inUnits(value: number, units: Readonly<Record<string, number>>): string {
  const [unit, factor] = Object.entries(units).find(([, size]) => value >= size && value % size === 0) ?? ["", 1];
  return value === 0 ? `0${Object.keys(units).at(-1)}` : `${value / factor}${unit}`;
}

/** The value without its secret. */
export function maskValue(setting: Setting, value: Value): Value {
  if (setting.secret === "whole") return MASK;
  return setting.secret === "password" ? maskPasswords(String(value)) : value;
}

const MASK = "********";

/** Passwords in URLs, both `//user:password@` and `?password=`, whatever they are made of. */
export function maskPasswords(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/[^:/@?#]*):.*@(?=[^@]*$)/is, `$1:${MASK}@`)
    .replace(/([?&](?:password|sslpassword|sslkey|token|secret|signature|x-amz-[a-z-]+)=)[^&#]*/gi, `$1${MASK}`);
}
