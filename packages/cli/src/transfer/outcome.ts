import {
  ERRORS,
  type ErrorCode,
  type FileState,
  type Upload,
  type UploadService,
  type VerificationReport,
} from "@bucketline/core";
import { EXIT, type ExitCode, exitCodeOf } from "../errors.ts";
import type { Tally } from "./observation.ts";

/** Files that share a reason. */
export interface ReasonGroup {
  readonly code: ErrorCode;
  readonly files: number;
  /** The first of them. */
  readonly examples: readonly { readonly path: string; readonly message: string }[];
  readonly remedy: string;
}

/** How an upload stands after a run, and what the run did. */
export interface Outcome {
  readonly upload: Upload;
  readonly run: Readonly<Tally> & { readonly seconds: number };
  readonly failed: readonly ReasonGroup[];
  /** Files that have, on purpose or not, no object. */
  readonly skipped: readonly ReasonGroup[];
  /** What the run was warned of and is still so: parts of the folder that could not be read, deletes that were held. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly verification: VerificationReport | undefined;
}

const PAGE = 500;
/** More files than these are counted, and not looked at. */
const LOOKED_AT = 5_000;
const EXAMPLES = 3;

/** Nothing that would be in the bucket if all went well. */
const LEFT_OUT_ON_PURPOSE: readonly ErrorCode[] = ["SOURCE_NOT_REGULAR", "OBJECT_EXISTS", "FILE_FILTERED"];

/** Files of the upload in this state, grouped by why. */
export async function reasonsOf(service: UploadService, id: string, state: FileState): Promise<ReasonGroup[]> {
  const groups = new Map<ErrorCode, { files: number; examples: { path: string; message: string }[] }>();
  let seen = 0;
  for (let after: string | undefined; seen < LOOKED_AT; ) {
    const page = await service.files(id, { ...(after !== undefined && { after }), limit: PAGE, states: [state] });
    for (const { path, reason } of page) {
      const code = reason?.code ?? "UNEXPECTED";
      const group = groups.get(code) ?? { files: 0, examples: [] };
      groups.set(code, group);
      group.files++;
      if (group.examples.length < EXAMPLES) group.examples.push({ path, message: reason?.message ?? "no reason" });
    }
    seen += page.length;
    after = page.at(-1)?.path;
    if (page.length < PAGE) break;
  }
  return [...groups]
    .map(([code, group]) => ({ code, ...group, remedy: ERRORS[code] }))
    .sort((a, b) => b.files - a.files);
}

export function isOnPurpose({ code }: ReasonGroup): boolean {
  return LEFT_OUT_ON_PURPOSE.includes(code);
}

/** 0 when everything that is in the folder is in the bucket. */
export function exitCodeFor({ upload, failed, skipped, warnings, verification }: Outcome): ExitCode {
  const { state, reason, lastScan } = upload;
  const findings = (verification?.missing ?? 0) + (verification?.different ?? 0);
  if (state === "FAILED" && reason && reason.code !== "UPLOAD_FAILED") return codeToExit(reason.code);
  if (failed.length > 0 && failed.every(({ code }) => codeToExit(code) === EXIT.unreachable)) return EXIT.unreachable;
  const isWhole = state === "COMPLETED" && lastScan?.complete !== false && skipped.every(isOnPurpose);
  return isWhole && warnings.length + findings === 0 ? EXIT.done : EXIT.failed;
}

/** As for an error that the program ends with. */
export function codeToExit(code: ErrorCode): ExitCode {
  return exitCodeOf(Object.assign(new Error(code), { code }));
}
