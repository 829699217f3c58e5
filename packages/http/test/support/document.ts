import { Compile } from "typebox/compile";
import type { Answer, Bed } from "./bed.ts";

interface Media {
  readonly schema: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: Readonly<Record<string, unknown>>;
}

export interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Media>> }>
  >;
}

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** The OpenAPI document of a running server, with its references replaced by what they name. */
export class Document {
  readonly json: Readonly<Record<string, unknown>>;
  readonly routes: readonly Route[];

  constructor(json: Readonly<Record<string, unknown>>) {
    this.json = json;
    const whole = withoutReferences(json, json) as { paths: Record<string, Record<string, Operation>> };
    this.routes = Object.entries(whole.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
    );
  }

  static async of(bed: Bed, token?: string): Promise<Document> {
    const answer = await bed.call("/openapi.json", token === undefined ? {} : { token });
    return new Document(answer.body);
  }

  route(operationId: string): Route {
    const found = this.routes.find(({ operation }) => operation.operationId === operationId);
    if (!found) throw new Error(`The document has no operation ${operationId}.`);
    return found;
  }
}

/** In what an answer differs from what the document says of it; empty: in nothing. */
export function undocumented({ operation, method, path }: Route, answer: Answer<unknown>): string[] {
  const where = `${method} ${path} answers ${answer.status}`;
  const response = operation.responses[String(answer.status)];
  if (!response) return [`${where}, which is not documented: ${answer.text.slice(0, 300)}`];
  const type = (answer.headers.get("content-type") ?? "").split(";")[0] as string;
  if (!response.content) return answer.text === "" ? [] : [`${where} with a body, which is not documented`];
  const media = response.content[type];
  if (!media) return [`${where} as ${type}, which is not documented`];
  if (!/[/+]json$/.test(type)) return [];
  const validator = Compile(media.schema as never);
  return validator.Check(answer.body)
    ? []
    : validator.Errors(answer.body).map(({ instancePath, message }) => `${where}: ${instancePath} ${message}`);
}

function withoutReferences(value: unknown, root: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutReferences(item, root));
  if (typeof value !== "object" || value === null) return value;
  const reference = (value as { $ref?: unknown }).$ref;
  if (typeof reference === "string") return withoutReferences(at(root, reference), root);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutReferences(item, root)]));
}

function at(root: unknown, reference: string): unknown {
  return reference
    .split("/")
    .slice(1)
    .reduce((value, key) => (value as Record<string, unknown>)[key], root);
}
