const SIZE: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
};

const TIME: Readonly<Record<string, number>> = {
  ms: 1,
  "": 1000,
  s: 1000,
  sec: 1000,
  min: 60_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** What somebody typed is no quantity; the message says what would be. */
export class QuantityError extends Error {}

/** `10 MiB`, `5mb`, `1.5 g`, `100` → bytes. @throws QuantityError */
export function parseBytes(text: string): number {
  return parse(text, SIZE, "a size such as 500 KiB, 10 MiB or 2 GB");
}

/** `30 s`, `5 min`, `2h`, `90` (seconds) → milliseconds. @throws QuantityError */
export function parseDuration(text: string): number {
  return parse(text, TIME, "a duration such as 30 s, 5 min, 2 h or 1 d");
}

function parse(text: string, units: Readonly<Record<string, number>>, wanted: string): number {
  const [, number, name = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(text.trim().toLowerCase().replace("/s", "")) ?? [];
  const unit = units[name];
  if (number === undefined || unit === undefined) throw new QuantityError(`Enter ${wanted}.`);
  return Math.round(Number(number) * unit);
}

/** The shortest text that `parseBytes` reads as just this many bytes. */
export function sizeText(value: number): string {
  return exact(value, [
    ["GiB", 1024 ** 3],
    ["MiB", 1024 ** 2],
    ["KiB", 1024],
    ["B", 1],
  ]);
}

/** The shortest text that `parseDuration` reads as just this many milliseconds. */
export function durationText(value: number): string {
  return exact(value, [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1000],
    ["ms", 1],
  ]);
}

function exact(value: number, units: readonly (readonly [string, number])[]): string {
  const [name, size] = units.find(([, size]) => value >= size && value % size === 0) ?? units.at(-1)!;
  return `${value / size} ${name}`;
}
