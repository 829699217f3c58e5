import { type TSchema, Type } from "typebox";
import type { Setting } from "./setting.ts";
import { SETTING_NAMES, settingOf } from "./settings.ts";
import { pipelinesSchema } from "./step-schema.ts";
import { type Value, wantedOf } from "./values.ts";

/** What bucketline.yaml may hold, as a JSON Schema that editors can use as well. */
export function fileSchema(): TSchema {
  const sections = new Map<string, Record<string, TSchema>>();
  const top: Record<string, TSchema> = {};
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name);
    const [section = "", key] = setting.path.split(".");
    if (key === undefined) top[section] = Type.Optional(leafSchema(setting));
    else sections.set(section, { ...sections.get(section), [key]: Type.Optional(leafSchema(setting)) });
  }
  for (const [section, leaves] of sections) top[section] = Type.Optional(Type.Object(leaves, CLOSED));
  top.pipelines = Type.Optional(pipelinesSchema());
  return Type.Object(top, {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "bucketline.yaml",
    ...CLOSED,
  });
}

const CLOSED = { additionalProperties: false };

/** What one setting may be in bucketline.yaml. Texts of amounts and lists are read once they are known to be texts. */
export function leafSchema(setting: Setting): TSchema {
  const facts = {
    description: `${setting.summary}. Takes ${wantedOf(setting)}.`,
    ...(setting.fallback !== undefined && { default: defaultOf(setting, setting.fallback) }),
    ...(setting.secret && { writeOnly: true }),
  };
  const text = Type.String({ minLength: 1 });
  switch (setting.kind) {
    case "duration":
    case "size":
      return Type.Union([Type.Number({ minimum: 0 }), text], facts);
    case "count": {
      const most = setting.most === undefined ? {} : { maximum: setting.most };
      return Type.Integer({ minimum: setting.least, ...most, ...facts });
    }
    case "switch":
      return Type.Boolean(facts);
    case "choice":
      return Type.Union(
        setting.choices.map((choice) => Type.Literal(choice)),
        facts,
      );
    case "list":
    case "folders":
      return Type.Union([text, Type.Array(text, { minItems: 1 })], facts);
    default:
      return Type.String({ minLength: 1, ...facts });
  }
}

/** Durations are written in seconds. */
function defaultOf({ kind }: Setting, value: Value): Value {
  return kind === "duration" && typeof value === "number" ? value / 1_000 : value;
}
