import { type TSchema, Type } from "typebox";
import type { StepName } from "./pipelines.ts";
import { readSize } from "./values.ts";

/** What one option of a step may be in bucketline.yaml. */
export interface StepOption {
  readonly schema: TSchema;
  /** For messages: "a whole number from 0 to 9". */
  readonly wanted: string;
  readonly isRequired?: true;
  /** Whether it holds what is not repeated in messages. */
  readonly isSecret?: true;
  /** Turns what the schema lets pass into what the library takes; throws ValueProblem. Paths are relative to `folder`. */
  readonly read?: (found: unknown, resolve: (path: string) => string) => unknown;
}

const text = (summary: string): StepOption => ({
  schema: Type.String({ minLength: 1, description: summary }),
  wanted: "a text that is not empty",
});
const size = (summary: string): StepOption => ({
  schema: Type.Union([Type.Integer({ minimum: 0 }), Type.String({ minLength: 1 })], { description: summary }),
  wanted: "a number of bytes, such as 8388608 or 8MiB",
  read: (found) => (typeof found === "string" ? readSize(found) : found),
});
const count = (summary: string, least: number, most: number): StepOption => ({
  schema: Type.Integer({ minimum: least, maximum: most, description: summary }),
  wanted: `a whole number from ${least} to ${most}`,
});
const list = (summary: string, example: string): StepOption => ({
  schema: Type.Array(Type.String(), { minItems: 1, description: summary }),
  wanted: `a list of texts, such as ${example}`,
});
const choice = (summary: string, ...choices: readonly string[]): StepOption => ({
  schema: Type.Union(
    choices.map((one) => Type.Literal(one)),
    { description: summary },
  ),
  wanted: `one of ${choices.join(", ")}`,
});

const KEY = Type.Object(
  {
    id: Type.String({ minLength: 1, description: "public name of the key, for this key only, ever" }),
    keyFile: Type.String({ minLength: 1, description: "file with 32 bytes, or their hexadecimal digits or Base64" }),
  },
  { additionalProperties: false },
);

const KEYS: StepOption = {
  schema: Type.Array(KEY, { minItems: 1, description: "the first encrypts; the others only decrypt" }),
  wanted: "a list of keys, such as [{ id: k1, keyFile: /etc/bucketline/k1.key }]",
  isRequired: true,
  isSecret: true,
  read: (found, resolve) =>
    (found as readonly { id: string; keyFile: string }[]).map(({ id, keyFile }) => ({ id, keyFile: resolve(keyFile) })),
};

const CONTEXT: StepOption = {
  schema: Type.Record(Type.String(), Type.String(), { description: "public facts that are bound to each file" }),
  wanted: "texts by their names, such as { application: archive }",
};

const NAME = text("name in timelines and events, unique in its pipeline");
const SUFFIX = text("appended to the keys of objects");
const MILLISECONDS = count("longest wait for clamd, in milliseconds", 1, 2 ** 31 - 1);

/** The options of every step, by the names of docs/steps.md. */
export const STEPS: Readonly<Record<StepName, Readonly<Record<string, StepOption>>>> = {
  sizeLimit: { name: NAME, min: size("smallest size"), max: size("largest size") },
  extensions: {
    name: NAME,
    allow: list("the only ones accepted", "[jpg, png]"),
    deny: list("refused", "[exe, bat]"),
  },
  fileType: {
    name: NAME,
    allow: list("the only types accepted", "[application/pdf, image/*]"),
    deny: list("refused", "[application/zip]"),
    text: choice("text without magic bytes", "match", "accept", "reject"),
    unknown: choice("content of no known type", "accept", "reject"),
    extensionMustMatch: {
      schema: Type.Boolean({ description: "refuse files whose name contradicts their content" }),
      wanted: "true or false",
    },
  },
  clamav: {
    name: NAME,
    socket: text("absolute path of clamd's socket"),
    host: text("or the address that it listens at"),
    port: count("and its port", 1, 65_535),
    timeoutMs: MILLISECONDS,
    maxBytes: size("larger files are too large without asking"),
    tooLarge: choice("files that clamd does not take", "reject", "wait", "accept"),
  },
  gzip: { name: NAME, level: count("compression", 0, 9), keySuffix: SUFFIX },
  zstd: { name: NAME, level: count("compression", 1, 19), keySuffix: SUFFIX },
  encrypt: { name: NAME, keys: KEYS, keySuffix: SUFFIX, context: CONTEXT },
  sha256: { name: NAME, metadataName: text("name of the metadata entry") },
};

const CLOSED = { additionalProperties: false };

/** `pipelines:` of bucketline.yaml. */
export function pipelinesSchema(): TSchema {
  const steps = Type.Array(Type.Union([...Object.keys(STEPS).map((name) => Type.Literal(name)), ...stepSchemas()]), {
    minItems: 1,
  });
  const whole = Type.Object({ steps, spool: Type.Optional(Type.Boolean()) }, CLOSED);
  return Type.Record(Type.String(), Type.Union([steps, whole]), {
    description: "pipelines by their names: steps in their order, checks before transforms",
  });
}

function stepSchemas(): TSchema[] {
  return Object.entries(STEPS).map(([name, options]) => {
    const properties = Object.fromEntries(
      Object.entries(options).map(([option, { schema, isRequired }]) => [
        option,
        isRequired ? schema : Type.Optional(schema),
      ]),
    );
    const isOpen = !Object.values(options).some(({ isRequired }) => isRequired);
    const body = Type.Object(properties, CLOSED);
    return Type.Object({ [name]: isOpen ? Type.Union([body, Type.Null()]) : body }, CLOSED);
  });
}
