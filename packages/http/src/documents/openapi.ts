import { STATUS_CODES } from "node:http";
import type { FastifySchema, RouteOptions } from "fastify";
import { Type } from "typebox";

/** Stands for a schema with a name until the document is made: `@fastify/swagger` would resolve real references itself. */
const NAMED = "x-named";

/** What `@fastify/swagger` takes an answer's description from. */
const SAID = "x-response-description";
/** A body that may be left out, which `@fastify/swagger` does not know. */
const OPTIONAL_BODY = "x-optional-body";

type Json = Readonly<Record<string, unknown>>;

/** Collects the schemas that have a name (`$id`), and puts references in their places. */
export class NamedSchemas {
  readonly #schemas = new Map<string, unknown>();

  /** The route's schemas, with a marker for each that has a name. */
  mark(schema: FastifySchema): FastifySchema {
    const { body, response } = schema;
    const isOptional = isJson(body) && Type.IsOptional(body);
    const described = { ...schema, ...(isJson(response) ? { response: withMeanings(response) } : {}) };
    return { ...(this.#marked(described, true) as FastifySchema), ...(isOptional ? { [OPTIONAL_BODY]: true } : {}) };
  }

  /** What stands for the markers in a finished document. */
  components(): Record<string, unknown> {
    const sorted = [...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(sorted.map(([name, schema]) => [name, resolved(schema)]));
  }

  #marked(value: unknown, isMap = false): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#marked(item));
    if (!isJson(value)) return value;
    const { $id: name, headers, [SAID]: meaning, ...rest } = value;
    // Said of an answer, not of the schema of its body.
    const said = isMap ? {} : { ...(headers ? { headers } : {}), ...(meaning ? { [SAID]: meaning } : {}) };
    if (typeof name !== "string") return { ...this.#entries(isMap ? value : rest), ...said };
    if (!this.#schemas.has(name)) {
      this.#schemas.set(name, null);
      this.#schemas.set(name, this.#entries(rest));
    }
    return { [NAMED]: name, ...said };
  }

  #entries(value: Json): Json {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#marked(item, MAPS.has(key))]));
  }
}

/** An answer that says nothing of itself means what its status means. */
function withMeanings(response: Json): Json {
  const said = ([status, schema]: [string, unknown]) =>
    isJson(schema) && schema.description === undefined && schema[SAID] === undefined
      ? [status, { ...schema, [SAID]: `${STATUS_CODES[status] ?? "As described"}.` }]
      : [status, schema];
  return Object.fromEntries(Object.entries(response).map(said));
}

/** Keywords whose members' names are not keywords. */
const MAPS = new Set(["properties", "patternProperties", "response", "content"]);

/** The document with references where the markers were, and what `@fastify/swagger` cannot say. */
export function resolved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolved);
  if (!isJson(value)) return value;
  const name = value[NAMED];
  if (typeof name === "string") return { $ref: `#/components/schemas/${name}` };
  const { [OPTIONAL_BODY]: hasOptionalBody, ...rest } = value;
  const members = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, resolved(item)]));
  if (hasOptionalBody && isJson(members.requestBody)) members.requestBody = { ...members.requestBody, required: false };
  if (value.in === "header" && typeof value.name === "string") members.name = titleCase(value.name);
  return members;
}

/** As headers are usually written; their names are compared without case. */
function titleCase(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null;
}

/** Says who may call, in words and for tools. */
export function withSecurity(schema: FastifySchema, { config }: RouteOptions, hasAuth: boolean): FastifySchema {
  const { scope = "admin" } = config ?? {};
  if (!hasAuth) return schema;
  if (scope === "open") return { ...schema, security: [] };
  const { description } = schema;
  const said = [description, `Needs the scope \`${scope}\`.`].filter((text) => text !== undefined).join(" ");
  return { ...schema, description: said };
}
