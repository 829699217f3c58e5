import type { FastifySchemaCompiler } from "fastify";
import { type TSchema, Type } from "typebox";
import { Compile } from "typebox/compile";
import { HttpError, type Violation } from "./errors.ts";

type Check = (value: unknown) => { value: unknown } | { error: Error };

/** Which part of a request a schema is for, and the checks that were compiled of it: aliases of a route share them. */
const COMPILED = new Map<string, WeakMap<TSchema, Check>>();

/**
 * Checks requests by the schemas of the routes, whatever validator the host's own server uses. Bodies are taken as they
 * are; parameters and queries are texts, and are read as the numbers, booleans and lists that their schemas ask for.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const part = httpPart ?? "body";
  const ofPart = COMPILED.get(part) ?? new WeakMap<TSchema, Check>();
  COMPILED.set(part, ofPart);
  const known = ofPart.get(schema);
  if (known) return known;
  const check = checkOf(schema, part);
  ofPart.set(schema, check);
  return check;
};

function checkOf(schema: TSchema, part: string): Check {
  const validator = Compile(schema);
  const isOptional = Type.IsOptional(schema);
  return (value) => {
    if (isOptional && (value === undefined || value === null)) return { value: undefined };
    const read = part === "body" ? value : fromTexts(schema, value);
    if (validator.Check(read)) return { value: read };
    const violations = violationsOf(part, validator.Errors(read));
    return { error: refusal(part, violations) };
  };
}

function refusal(part: string, violations: readonly Violation[]): HttpError {
  const sentences = violations.map(({ field, message }) => `${field} ${message}`);
  const more = sentences.length > 3 ? ` (and ${sentences.length - 3} more)` : "";
  const detail = sentences.length === 0 ? `The ${part} is not what the route takes` : sentences.slice(0, 3).join("; ");
  return new HttpError("INVALID_REQUEST", `${detail}${more}.`, { violations });
}

interface Finding {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: object;
}

/** The findings in our words, without those that only say that something below them was wrong. */
function violationsOf(part: string, findings: readonly Finding[]): Violation[] {
  const found = new Map<string, Violation>();
  for (const { keyword, instancePath, message, params } of findings) {
    if (keyword === "anyOf" && found.has(fieldOf(part, instancePath))) continue;
    for (const { path, text } of told(keyword, instancePath, message, params)) {
      const field = fieldOf(part, path);
      if (!found.has(field)) found.set(field, { field, message: text });
    }
  }
  return [...found.values()].slice(0, 20);
}

function told(keyword: string, path: string, message: string, params: object): { path: string; text: string }[] {
  const below = (names: unknown, text: string) =>
    (Array.isArray(names) ? names : []).map((name) => ({ path: `${path}/${name}`, text }));
  if (keyword === "additionalProperties" && "additionalProperties" in params)
    return below(params.additionalProperties, "is not known");
  if (keyword === "required" && "requiredProperties" in params) return below(params.requiredProperties, "is missing");
  // Comes with `additionalProperties`, for the same field.
  if (keyword === "boolean") return [];
  return [{ path, text: message }];
}

/** `body.object.tags`, `querystring.limit`; what clients name their fields is cut short and stays printable. */
function fieldOf(part: string, path: string): string {
  const where = part === "querystring" ? "query" : part;
  const clean = path.replaceAll("/", ".").replace(/[^\w.~-]/g, "?");
  return `${where}${clean}`.slice(0, 200);
}

/** Query and path parameters by their schemas: integers, booleans, and lists as `a,b` or as repeated names. */
function fromTexts(schema: TSchema, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("properties" in schema)) return value;
  const properties = schema.properties as Readonly<Record<string, { readonly type?: unknown }>>;
  return Object.fromEntries(
    Object.entries(value).map(([name, text]) => [
      name,
      fromText(Object.hasOwn(properties, name) ? properties[name] : undefined, text),
    ]),
  );
}

function fromText(schema: { readonly type?: unknown } | undefined, text: unknown): unknown {
  if (schema?.type === "array") return (Array.isArray(text) ? text : [text]).flatMap((one) => String(one).split(","));
  if (typeof text !== "string") return text;
  if (schema?.type === "integer" && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (schema?.type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}
