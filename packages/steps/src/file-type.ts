import { extname } from "node:path";
import { type CheckStep, defineStep, HEAD_LIMIT } from "@bucketline/core";
import { fileTypeFromBuffer } from "file-type";
import { TYPES_OF_EXTENSION } from "./extension-types.ts";
import { invalidStep, listOf, oneOf, type StepOptions } from "./options.ts";
import { isText } from "./text.ts";

/** Which content `fileType` lets through. */
export interface FileTypeOptions extends StepOptions {
  /**
   * The only types that are accepted, such as `application/pdf`; a `*` at the end stands for any end, as in `image/*`.
   * Default: all that are not denied.
   */
  readonly allow?: readonly string[];
  /** Types that are refused; counts before `allow`. */
  readonly deny?: readonly string[];
  /**
   * Content without magic bytes that is readable text counts as `text/plain`, which stands for CSV, JSON, HTML, Markdown and
   * program text alike. `match` (default): it is held against `allow` and `deny` as such. `accept` or `reject`: always.
   */
  readonly text?: "match" | "accept" | "reject";
  /** Content that is neither of a known type nor text, and empty files. Default: `reject`. */
  readonly unknown?: "accept" | "reject";
  /** Refuse files whose well-known extension contradicts their content (a `.jpg` that is a program). Default: true. */
  readonly extensionMustMatch?: boolean;
}

const PATTERN = /^(\*\/\*|[a-z0-9][a-z0-9.+-]*\/(\*|[a-z0-9][a-z0-9.+-]*\*?))$/i;
const UNKNOWN = "unknown";

/**
 * Refuses files by what they contain: the MIME type that the magic bytes in the first 64 KiB tell (library `file-type`), never
 * by what their name says. The message names the type that was found.
 *
 * Only what is recognised can be denied: prefer `allow`. Magic bytes say which program would open a file, not that it is harmless.
 * @throws InputError `INVALID_PIPELINE`
 */
export function fileType(options: FileTypeOptions): CheckStep {
  const { name = "fileType", extensionMustMatch = true } = options;
  if (options.allow === undefined && options.deny === undefined && !extensionMustMatch)
    invalidStep(name, "give allow, deny or both.");
  const allow = options.allow === undefined ? undefined : patternsOf(name, "allow", options.allow);
  const deny = patternsOf(name, "deny", options.deny ?? []);
  const text = oneOf(name, "text", options.text ?? "match", ["match", "accept", "reject"]);
  const unknown = oneOf(name, "unknown", options.unknown ?? "reject", ["accept", "reject"]);
  return defineStep({
    name,
    check: async (file) => {
      const found = await typeOf(await file.head(HEAD_LIMIT));
      const refuse = (why: string) => ({ accepted: false, message: `The content is ${found}; ${why}.` });
      if (found === UNKNOWN) {
        return unknown === "accept" ? { accepted: true, message: found } : refuse("only known types are accepted");
      }
      const extension = extname(file.path).slice(1).toLowerCase();
      const expected = extensionMustMatch ? TYPES_OF_EXTENSION.get(extension) : undefined;
      if (expected !== undefined && !matchesAny(found, expected)) return refuse(`the name says .${extension}`);
      if (found === "text/plain" && text !== "match")
        return text === "accept" ? { accepted: true, message: found } : refuse("text is not accepted");
      if (matchesAny(found, deny)) return refuse("that type is denied");
      if (allow !== undefined && !matchesAny(found, allow)) return refuse(`allowed are ${allow.join(", ")}`);
      return { accepted: true, message: found };
    },
  });
}

function patternsOf(step: string, option: string, value: unknown): readonly string[] {
  return listOf(step, option, value, PATTERN, "MIME types such as image/png or image/*").map((entry) =>
    entry.toLowerCase(),
  );
}

async function typeOf(head: Uint8Array): Promise<string> {
  if (head.length === 0) return UNKNOWN;
  const found = await fileTypeFromBuffer(head);
  // Some names carry a parameter, such as `audio/ogg; codecs=opus`.
  if (found !== undefined) return (found.mime.split(";")[0] ?? found.mime).trim().toLowerCase();
  return isText(head, head.length === HEAD_LIMIT) ? "text/plain" : UNKNOWN;
}

function matchesAny(type: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (pattern === "*/*" || pattern === type) return true;
    return pattern.endsWith("*") && type.startsWith(pattern.slice(0, -1));
  });
}
