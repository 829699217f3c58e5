import { InputError, type Reason } from "./errors.ts";
import type { UploadRecord } from "./upload.ts";

/** S3's limit on an object key, in UTF-8 bytes (Amazon S3 User Guide, "Naming Amazon S3 objects"). */
const MAX_KEY_BYTES = 1024;

const PLACEHOLDERS = ["id", "path", "dir", "name", "ext", "yyyy", "mm", "dd"] as const;
type Placeholder = (typeof PLACEHOLDERS)[number];

/** Makes the object key of a file. */
export interface KeyTemplate {
  /** Whether two paths can never get one key, so that nobody has to look for collisions. */
  readonly injective: boolean;
  /** What every key starts with. */
  readonly prefix: string;
  /** Whether a key is `prefix` and the path, nothing else: keys then stand in the order of their paths. */
  readonly ordered: boolean;
  /** Whether `prefix` names a folder of the upload's own, by its id: nobody else's keys start with it. */
  readonly exclusive: boolean;
  key(path: string, mtimeNs: bigint): string;
}

/**
 * `{path}` relative path · `{dir}` its folder without trailing slash, empty at the top · `{name}` file name without
 * extension · `{ext}` extension with its dot · `{id}` upload id · `{yyyy} {mm} {dd}` UTC date of the last modification. Slashes that an empty
 * `{dir}` would leave doubled or leading are dropped.
 * @param suffix appended to every key
 * @throws InputError `INVALID_KEY_TEMPLATE`
 */
export function compileKeyTemplate(template: string, uploadId: string, suffix = ""): KeyTemplate {
  if (/[\0\p{Surrogate}]/u.test(template)) {
    throw new InputError(
      "INVALID_KEY_TEMPLATE",
      `Key template ${JSON.stringify(template)} has a character that no key can hold.`,
    );
  }
  const pieces = template.split(/\{([^{}]*)\}/);
  for (const [index, piece] of pieces.entries()) {
    const known = (PLACEHOLDERS as readonly string[]).includes(piece);
    if (index % 2 === 1 ? !known : /[{}]/.test(piece)) {
      throw new InputError(
        "INVALID_KEY_TEMPLATE",
        `Key template ${JSON.stringify(template)}: unknown placeholder near ${JSON.stringify(piece)}. Use ${PLACEHOLDERS.map((p) => `{${p}}`).join(" ")}.`,
      );
    }
  }
  if (!pieces.some((piece, index) => index % 2 === 1 && (piece === "path" || piece === "name"))) {
    throw new InputError(
      "INVALID_KEY_TEMPLATE",
      `Key template ${JSON.stringify(template)} names no file: use {path} or {name}.`,
    );
  }
  const value = (index: number, path: string, mtimeNs: bigint) =>
    placeholderValue(pieces[index] as Placeholder, uploadId, path, mtimeNs);
  return {
    injective: isInjective(pieces),
    ...constantPart(pieces, uploadId, suffix),
    key(path, mtimeNs) {
      let key = pieces[0] ?? "";
      for (let index = 1; index < pieces.length; index += 2) key += value(index, path, mtimeNs) + pieces[index + 1];
      return dropSlashes(key) + suffix;
    },
  };
}

/** The key template of a registered upload. */
export function keyTemplateOf({ id, spec }: Pick<UploadRecord, "id" | "spec">): KeyTemplate {
  // Older records have none.
  return compileKeyTemplate(spec.keyTemplate, id, spec.keySuffix ?? "");
}

function dropSlashes(key: string): string {
  return key.replace(/\/{2,}/g, "/").replace(/^\//, "");
}

/** What stands before the first piece that differs from file to file. */
function constantPart(
  pieces: readonly string[],
  uploadId: string,
  suffix: string,
): Pick<KeyTemplate, "prefix" | "ordered" | "exclusive"> {
  const varying = pieces.findIndex((piece, index) => index % 2 === 1 && piece !== "id");
  const constant = pieces.slice(0, varying).map((piece, index) => (index % 2 === 1 ? uploadId : piece));
  return {
    prefix: dropSlashes(constant.join("")),
    // Not with a suffix: `a` stands before `a.b`, and `a.b.gz` before `a.gz`.
    ordered: suffix === "" && pieces[varying] === "path" && pieces.slice(varying + 1).every((piece) => piece === ""),
    exclusive: constant.length > 1 && constant.slice(2).join("").includes("/"),
  };
}

/** With `{path}` as the only thing that varies, paths and keys stand one to one. */
function isInjective(pieces: readonly string[]): boolean {
  const varying = pieces.filter((piece, index) => index % 2 === 1 && piece !== "id");
  return varying.length === 1 && varying[0] === "path";
}

function placeholderValue(placeholder: Placeholder, uploadId: string, path: string, mtimeNs: bigint): string {
  const slash = path.lastIndexOf("/");
  const base = path.slice(slash + 1);
  const dot = base.lastIndexOf(".");
  switch (placeholder) {
    case "id":
      return uploadId;
    case "path":
      return path;
    case "dir":
      return slash < 0 ? "" : path.slice(0, slash);
    case "name":
      return dot > 0 ? base.slice(0, dot) : base;
    case "ext":
      return dot > 0 ? base.slice(dot) : "";
    default:
      return datePiece(placeholder, mtimeNs);
  }
}

/** File systems hold times that no calendar of four-digit years can show. */
const FIRST_DATE = Date.parse("0000-01-01T00:00:00Z");
const LAST_DATE = Date.parse("9999-12-31T00:00:00Z");

function datePiece(placeholder: "yyyy" | "mm" | "dd", mtimeNs: bigint): string {
  const date = new Date(Math.min(Math.max(Math.floor(Number(mtimeNs) / 1e6), FIRST_DATE), LAST_DATE));
  if (placeholder === "yyyy") return String(date.getUTCFullYear()).padStart(4, "0");
  const number = placeholder === "mm" ? date.getUTCMonth() + 1 : date.getUTCDate();
  return String(number).padStart(2, "0");
}

/** Why the key cannot be used, if so. */
export function keyProblem(key: string): Reason | undefined {
  if (key === "") return { code: "INVALID_KEY_TEMPLATE", message: "The key template makes an empty key of this path." };
  if (key.length * 3 <= MAX_KEY_BYTES) return undefined;
  const bytes = Buffer.byteLength(key);
  if (bytes <= MAX_KEY_BYTES) return undefined;
  return { code: "KEY_TOO_LONG", message: `The key has ${bytes} bytes; ${MAX_KEY_BYTES} are allowed.` };
}
