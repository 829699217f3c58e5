import { parseBytes, parseDuration, QuantityError } from "../text/quantity.ts";

/** How what somebody types becomes what the API takes. */
export type Kind =
  | "text"
  | "lines"
  | "integer"
  | "percent"
  | "size"
  | "duration"
  | "schedule"
  | "pairs"
  | "choice"
  | "flag";

export interface Field {
  /** In the API's body; a dot leads into an object. */
  readonly name: string;
  readonly label: string;
  readonly kind: Kind;
  readonly hint?: string;
  readonly placeholder?: string;
  /** Of a `choice`: values and their names. The first is the default. */
  readonly choices?: readonly (readonly [value: string, name: string])[];
  readonly required?: true;
}

/** What stands in the inputs, by field. Flags are `on` or empty. */
export type Inputs = Readonly<Record<string, string>>;
export type Problems = Readonly<Record<string, string>>;

/** What the API takes for the inputs; fields that are empty are left out. */
export function bodyOf(
  fields: readonly Field[],
  inputs: Inputs,
): { readonly body: object; readonly problems: Problems } {
  const body: Record<string, unknown> = {};
  const problems: Record<string, string> = {};
  for (const field of fields) {
    try {
      const text = inputs[field.name] ?? "";
      if (field.required && text.trim() === "") throw new QuantityError("This is needed.");
      const value = text.trim() === "" ? undefined : parsed(field.kind, text);
      if (value !== undefined) place(body, field.name, value);
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
      problems[field.name] = error.message;
    }
  }
  return { body, problems };
}

function place(body: Record<string, unknown>, name: string, value: unknown): void {
  const [first = name, second] = name.split(".");
  if (second === undefined) body[first] = value;
  else body[first] = { ...(body[first] as object | undefined), [second]: value };
}

/** @throws QuantityError */
function parsed(kind: Kind, text: string): unknown {
  switch (kind) {
    case "text":
    case "choice":
      return text.trim();
    case "flag":
      return true;
    case "lines":
      return lines(text);
    case "integer":
      return integer(text);
    case "percent":
      return integer(text) / 100;
    case "size":
      return parseBytes(text);
    case "duration":
      return parseDuration(text);
    case "schedule":
      return schedule(text.trim());
    case "pairs":
      return Object.fromEntries(lines(text).map(pair));
  }
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

function integer(text: string): number {
  if (!/^-?\d+$/.test(text.trim())) throw new QuantityError("Enter a whole number.");
  return Number(text);
}

/** A duration, or what the service makes sense of: a cron expression or `manual`. */
function schedule(text: string): number | string {
  if (text === "manual" || text.split(/\s+/).length >= 5) return text;
  try {
    return parseDuration(text);
  } catch {
    throw new QuantityError("Enter a duration such as 30 s or 5 min, a cron expression with five fields, or manual.");
  }
}

function pair(line: string): readonly [string, string] {
  const cut = line.indexOf("=");
  if (cut < 1) throw new QuantityError("Enter one name=value per line.");
  return [line.slice(0, cut).trim(), line.slice(cut + 1).trim()];
}
