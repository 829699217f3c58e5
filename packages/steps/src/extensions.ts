import { type CheckStep, defineStep } from "@bucketline/core";
import { invalidStep, listOf, type StepOptions } from "./options.ts";

/** Which extensions `extensions` lets through. At least one of the lists is needed. */
export interface ExtensionsOptions extends StepOptions {
  /** The only extensions that are accepted. Default: all that are not denied. */
  readonly allow?: readonly string[];
  /** Extensions that are refused; counts before `allow`. */
  readonly deny?: readonly string[];
}

const FORM = /^(\.?[^./\\\s][^/\\]*)?$/;

/**
 * Refuses files by the end of their name. Entries are written with or without the first dot (`jpg`, `.jpg`), may have
 * several parts (`.tar.gz`), and match the end of the name in whatever case: `.gz` matches `a.tar.gz` too. The entry `""`
 * stands for names without an extension. Dots that begin a name begin no extension (`.bashrc` has none), and dots and
 * blanks at its end are overlooked, because Windows drops them (`run.exe.` counts as `.exe`).
 *
 * A name proves nothing about the content: see `fileType`.
 * @throws InputError `INVALID_PIPELINE`
 */
export function extensions(options: ExtensionsOptions): CheckStep {
  const { name = "extensions" } = options;
  if (options.allow === undefined && options.deny === undefined) invalidStep(name, "give allow, deny or both.");
  const allow = options.allow === undefined ? undefined : entriesOf(name, "allow", options.allow);
  const deny = entriesOf(name, "deny", options.deny ?? []);
  return defineStep({
    name,
    check: async ({ path }) => {
      const file = comparable(path.slice(path.lastIndexOf("/") + 1));
      const shown = file.includes(".") ? `names that end in ${file.slice(file.lastIndexOf("."))}` : "no extension";
      const denied = deny.find((entry) => matches(file, entry));
      if (denied !== undefined)
        return { accepted: false, message: `Files with ${denied || "no extension"} are denied.` };
      if (allow === undefined || allow.some((entry) => matches(file, entry))) return { accepted: true };
      const allowed = allow.map((entry) => entry || "none").join(", ");
      return { accepted: false, message: `Files with ${shown} are not allowed; allowed are ${allowed}.` };
    },
  });
}

function entriesOf(step: string, option: string, value: unknown): readonly string[] {
  const entries = listOf(step, option, value, FORM, "extensions such as .jpg");
  return entries.map((entry) => (entry === "" || entry.startsWith(".") ? entry : `.${entry}`).toLowerCase());
}

function comparable(name: string): string {
  const visible = name.replace(/^\.+/, "").toLowerCase();
  let end = visible.length;
  while (end > 0 && (visible[end - 1] === "." || visible[end - 1] === " ")) end -= 1;
  return visible.slice(0, end);
}

function matches(file: string, entry: string): boolean {
  return entry === "" ? !file.includes(".") : file.endsWith(entry);
}
