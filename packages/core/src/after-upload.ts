import { isAbsolute } from "node:path";
import { isInside } from "./confinement.ts";
import { InputError } from "./errors.ts";
import { type FileRecord, NEVER } from "./file.ts";
import type { AfterUpload, DropSettings, UploadSpec } from "./upload.ts";

/** @throws InputError `INVALID_OPTION` */
export function afterUploadOption(value: unknown): AfterUpload {
  if (value === undefined || value === "keep") return "keep";
  if (value === "delete") return value;
  const moveTo = typeof value === "object" && value !== null && "moveTo" in value ? value.moveTo : undefined;
  const isAlone = Object.keys(value ?? {}).length === 1;
  if (typeof moveTo === "string" && isAlone && isAbsolute(moveTo) && !moveTo.includes("\0")) return { moveTo };
  throw new InputError(
    "INVALID_OPTION",
    "Option afterUpload must be keep, delete or { moveTo: an absolute path to a folder }.",
  );
}

/** @throws InputError `INVALID_OPTION` */
export function dropOption(value: unknown): DropSettings | null {
  if (value === undefined || value === null) return null;
  const { retention = null, ...rest } = (typeof value === "object" ? value : { wrong: value }) as {
    retention?: unknown;
  };
  const isValid = retention === null || (Number.isSafeInteger(retention) && (retention as number) >= 0);
  if (Object.keys(rest).length === 0 && isValid) return { retention: retention as number | null };
  const message = "Option drop must be { retention: milliseconds, 0 or more, or null }.";
  throw new InputError("INVALID_OPTION", message);
}

/** What cannot be asked for together. @throws InputError `INVALID_OPTION` */
export function checkAfterUpload(spec: UploadSpec): void {
  const refuse = (message: string): never => {
    throw new InputError("INVALID_OPTION", message);
  };
  if (!disposes(spec)) return;
  const name = spec.drop ? "drop" : "afterUpload";
  if (spec.drop && spec.afterUpload !== "keep")
    refuse("Option afterUpload does not go with drop: sent files are moved to done/.");
  if (spec.onSourceDelete === "delete")
    refuse(
      `Option ${name} takes files away, and onSourceDelete delete would then delete their objects. Use one of them.`,
    );
  if (spec.symlinks === "follow")
    refuse(`Option ${name} does not go with symlinks follow: it is not said whether the link or its target would go.`);
  if (typeof spec.afterUpload === "object") {
    const { moveTo } = spec.afterUpload;
    if (overlap(moveTo, spec.sourceFolder))
      refuse(`Option afterUpload.moveTo must not lie inside the source folder, or hold it: ${moveTo}.`);
  }
}

/** Whether one of the folders lies in the other. Both absolute. */
export function overlap(one: string, other: string): boolean {
  return isInside(one, other) || isInside(other, one);
}

/** Whether files leave their place once they are sent. Also of specs that are older than these settings. */
export function disposes({ afterUpload = "keep", drop = null }: Partial<UploadSpec>): boolean {
  return afterUpload !== "keep" || drop !== null;
}

/** Where a file belongs whose record is like this: `sent` where sent files go, `failed` to failed/. */
export type Fate = "stays" | "sent" | "failed";

/**
 * | record                                     | afterUpload | drop   |
 * |--------------------------------------------|-------------|--------|
 * | UPLOADED, with evidence of just this file  | sent        | sent   |
 * | FAILED, not to be tried again by itself    | stays       | failed |
 * | SKIPPED                                    | stays       | failed |
 * | anything else                              | stays       | stays  |
 */
export function fateOf(spec: UploadSpec, file: FileRecord): Fate {
  if (!disposes(spec)) return "stays";
  if (file.state === "UPLOADED") return file.evidence?.fingerprint === file.fingerprint ? "sent" : "stays";
  if (!spec.drop) return "stays";
  return file.state === "SKIPPED" || (file.state === "FAILED" && file.nextAttemptAt >= NEVER) ? "failed" : "stays";
}

/** Which files may be absent because they were moved or deleted when their record said so. */
export function takenAway(spec: UploadSpec): (file: FileRecord) => boolean {
  return (file) => fateOf(spec, file) !== "stays" && file.transfer === null;
}
