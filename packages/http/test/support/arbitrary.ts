type Schema = Readonly<Record<string, unknown>>;

/** A small generator of pseudo-random numbers (mulberry32): the same numbers for the same seed. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

const TEXTS = [
  "a",
  "**/*.jpg",
  "{id}/{path}",
  "0 3 * * *",
  "22:00-06:00",
  "manual",
  "",
  " ",
  "../..",
  "/etc/passwd",
  "[",
  "{a,b",
  "*a*a*a*a*a*a*a*a*b",
  "<script>alert(1)</script>",
  "\u202e\u0007\r\nX: y",
  "\u0000",
  "\ud800",
  "😀".repeat(300),
  "x".repeat(2000),
  "constructor",
  "__proto__",
  "null",
  "NaN",
];

const NUMBERS = [0, -1, 1, 0.5, 100, 1e21, -1e21, 2 ** 53, 2 ** 31, 1e308, 99999999];

const ANYTHING: readonly unknown[] = [null, true, [], {}, [[[]]], { toString: 1 }, ...TEXTS, ...NUMBERS];

/** A value that the schema allows, or nearly so: texts ignore patterns and formats. */
export function arbitrary(schema: Schema, dice: Dice, wildness: number): unknown {
  if (dice.chance(wildness)) return dice.pick(ANYTHING);
  const { enum: values, anyOf, type } = schema as { enum?: unknown[]; anyOf?: Schema[]; type?: string };
  if (values) return dice.pick(values);
  if (anyOf) return arbitrary(dice.pick(anyOf), dice, wildness);
  if (type === "object") return arbitraryObject(schema, dice, wildness);
  if (type === "array")
    return Array.from({ length: dice.below(4) }, () => arbitrary((schema.items ?? {}) as Schema, dice, wildness));
  if (type === "integer" || type === "number") return arbitraryNumber(schema, dice);
  if (type === "boolean") return dice.chance(0.5);
  if (type === "null") return null;
  return dice.pick(TEXTS);
}

function arbitraryNumber({ minimum = 0, maximum = 10_000, type }: Schema, dice: Dice): number {
  const [least, most] = [Number(minimum), Number(maximum)];
  const number = least + dice.next() * (Math.min(most, least + 10_000) - least);
  return type === "integer" ? Math.round(number) : number;
}

function arbitraryObject(schema: Schema, dice: Dice, wildness: number): unknown {
  const { properties = {}, required = [] } = schema as { properties?: Record<string, Schema>; required?: string[] };
  const object: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(properties)) {
    const kept = required.includes(name) ? !dice.chance(wildness / 4) : dice.chance(0.25);
    if (kept) object[name] = arbitrary(property, dice, wildness);
  }
  if (dice.chance(wildness)) object[dice.pick(TEXTS)] = dice.pick(ANYTHING);
  return object;
}
