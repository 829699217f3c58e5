import {
  FILE_STATES,
  type FileRecord,
  type FinishedPart,
  NOTICE_STATES,
  type Notice,
  UPLOAD_STATES,
  type UploadRecord,
} from "@bucketline/core";
import type { RecordWrite } from "@bucketline/core/memory";

/** Of nearly all files: they share one. */
const NO_HISTORY: FileRecord["history"] = [];
const NO_STEPS: FileRecord["steps"] = [];

/**
 * A file and its parts, as one JSON object; without a history, or traces of steps, that are empty. `JSON.stringify` writes any string exactly, lone
 * surrogates as escapes.
 */
export function fileToJson(file: FileRecord, parts?: readonly FinishedPart[]): object {
  const history = file.history.length === 0 ? undefined : file.history;
  const steps = file.steps.length === 0 ? undefined : file.steps;
  const plain = { ...file, mtimeNs: String(file.mtimeNs), history, steps };
  return parts && parts.length > 0 ? { ...plain, parts } : plain;
}

export function writeToJson(write: RecordWrite): object {
  return "file" in write ? { file: fileToJson(write.file, write.parts) } : write;
}

/** As the functions above wrote it, once it has been looked at. */
type FileJson = Omit<FileRecord, "mtimeNs" | "history" | "steps"> & {
  readonly mtimeNs: string;
  readonly history?: FileRecord["history"];
  readonly steps?: FileRecord["steps"];
  readonly parts?: readonly FinishedPart[];
};

/** Reads back what the functions above wrote. Throws an Error that says what is wrong. */
export class RecordReader {
  /** One string per upload instead of one per file. */
  readonly #ids = new Map<string, string>();

  upload(value: unknown): { readonly upload: UploadRecord } {
    const { id, state, revision, spec } = object(value) as Partial<UploadRecord>;
    const sound = typeof id === "string" && isOneOf(UPLOAD_STATES, state) && typeof revision === "number";
    if (!sound || typeof spec !== "object") throw new Error("not an upload");
    this.#ids.set(id, id);
    return { upload: value as UploadRecord };
  }

  file(value: unknown): { readonly file: FileRecord; readonly parts: readonly FinishedPart[] | undefined } {
    const seen = object(value) as Readonly<Record<keyof FileJson, unknown>>;
    const sound =
      [seen.path, seen.key, seen.fingerprint, seen.mtimeNs].every((text) => typeof text === "string") &&
      [seen.size, seen.revision, seen.fence, seen.nextAttemptAt].every((number) => typeof number === "number") &&
      [seen.history, seen.steps, seen.parts].every((list) => list === undefined || Array.isArray(list));
    if (!sound || !isOneOf(FILE_STATES, seen.state)) throw new Error("not a file");
    const { parts, ...file } = value as FileJson;
    const uploadId = this.#ids.get(file.uploadId);
    if (uploadId === undefined) throw new Error("a file of an upload that is not there");
    const { history = NO_HISTORY, steps = NO_STEPS, mtimeNs } = file;
    return { file: { ...file, uploadId, mtimeNs: BigInt(mtimeNs), history, steps }, parts };
  }

  notice(value: unknown): { readonly notice: Notice } {
    const { id, subscriber, state, revision, nextAttemptAt, payload } = object(value) as Partial<Notice>;
    const sound =
      [id, subscriber].every((text) => typeof text === "string") &&
      [revision, nextAttemptAt].every((number) => typeof number === "number") &&
      isOneOf(NOTICE_STATES, state);
    if (!sound || typeof payload !== "object") throw new Error("not a notice");
    return { notice: value as Notice };
  }

  write(value: unknown): RecordWrite {
    const { upload, notice, removedNotice, file } = object(value) as Readonly<Record<string, unknown>>;
    if (upload !== undefined) return this.upload(upload);
    if (notice !== undefined) return this.notice(notice);
    return typeof removedNotice === "string" ? { removedNotice } : this.file(file);
  }
}

function object(value: unknown): object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not a record");
  return value;
}

function isOneOf(names: readonly string[], value: unknown): boolean {
  return names.some((name) => name === value);
}
