import type { Duplex } from "node:stream";
import type { TransformStream } from "node:stream/web";
import { InputError } from "../errors.ts";
import type { ObjectSettings } from "../ports/object-store.ts";

/** What a step is told of the file it works on. */
export interface StepFile {
  readonly uploadId: string;
  /** Relative to the source folder. */
  readonly path: string;
  /** Bytes of the source file. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /**
   * Aborted when the attempt ends early, also when this step or another one of the pipeline stood still for `stepTimeout`; a
   * step that waits for something ends with it.
   */
  readonly signal: AbortSignal;
}

/** The source file, as checks see it: open, and the very bytes that will be sent. */
export interface CheckedFile extends StepFile {
  /** The first bytes: so many, or all of a smaller file. @param bytes at most `HEAD_LIMIT` */
  head(bytes: number): Promise<Uint8Array>;
  /** All bytes, from the first, each time it is called. A chunk is valid until the next one is asked for. */
  stream(): AsyncIterable<Uint8Array>;
}

/** Largest head that a check may ask for, in bytes. */
export const HEAD_LIMIT = 64 * 1024;

/** What a check has found. */
export interface CheckResult {
  /** False: the file is FAILED with this step's message, and is tried again only when it has changed or somebody asks. */
  readonly accepted: boolean;
  /** Kept in the file's timeline; of a rejection it is the reason. */
  readonly message?: string;
}

/**
 * Looks at a file before anything of it is sent. Throw `StepError` `STEP_UNAVAILABLE` when it cannot tell at the moment (a
 * scanner that is down): the file waits, and is never let through. Anything else that is thrown counts as a failed attempt.
 */
export interface CheckStep {
  readonly kind: "check";
  readonly name: string;
  /** See `CheckDefinition.version`; absent for none. */
  readonly version?: string;
  check(file: CheckedFile): Promise<CheckResult>;
}

/** What a transform changes about the object. Null takes a setting away that an earlier step or the upload has set. */
export interface ObjectChanges {
  readonly contentType?: string | null;
  readonly contentEncoding?: string | null;
  /** Added to the metadata; of equal names the later step's counts. Names beginning with `bucketline-` are ours. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Bytes in, bytes out, with backpressure: a Node stream, a web stream, or an async generator. A chunk that was handed in stays
 * as it is: it may be kept.
 */
export type ByteTransform =
  | Duplex
  | TransformStream<Uint8Array, Uint8Array>
  | ((input: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>);

/** One run of a transform over one file. */
export interface Transformation {
  readonly stream: ByteTransform;
  /** What it changes about the object. Called after the last byte if the step is `late`, else before the first. */
  changes?(): ObjectChanges;
  /** Kept in the file's timeline. Called after the last byte. */
  message?(): string | undefined;
}

/** Changes a file's bytes on their way. Must not change the source. */
export interface TransformStep {
  readonly kind: "transform";
  readonly name: string;
  /** See `CheckDefinition.version`; absent for none. */
  readonly version?: string;
  /** Appended to every key of the pipeline, such as `.gz`. */
  readonly keySuffix: string;
  /** What it changes about the object is known only after the last byte, so its output has to be spooled. */
  readonly late: boolean;
  /** Called for every attempt. Throws as `CheckStep.check` does. */
  transform(file: StepFile): Transformation | Promise<Transformation>;
}

/** Checks a file, or changes its bytes. */
export type Step = CheckStep | TransformStep;

/** What `defineStep` makes a check of. */
export interface CheckDefinition {
  /** Letters, digits, `.`, `_` and `-`, at most 64; unique in its pipeline. It stands in timelines, events and spans. */
  readonly name: string;
  /**
   * Tells what the step does from what it did before: a string of 1 to 128 characters, or a whole number from 0, which is the same
   * as its digits. What transforms made under another version and has not arrived is made anew instead of being gone on
   * with; files that are UPLOADED stay as they are. Default: none, and then the name alone tells steps apart.
   */
  readonly version?: string | number;
  readonly check: CheckStep["check"];
}

/** What `defineStep` makes a transform of. */
export interface TransformDefinition {
  /** As of `CheckDefinition`. */
  readonly name: string;
  /** As of `CheckDefinition`. */
  readonly version?: string | number;
  /** Default: none. */
  readonly keySuffix?: string;
  /** Default: false. */
  readonly late?: boolean;
  readonly transform: TransformStep["transform"];
}

/** What names of steps and pipelines look like. */
export const STEP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const VERSION_LIMIT = 128;

/**
 * A step for pipelines.
 * @throws InputError `INVALID_PIPELINE`
 */
export function defineStep(definition: CheckDefinition): CheckStep;
export function defineStep(definition: TransformDefinition): TransformStep;
export function defineStep(definition: CheckDefinition | TransformDefinition): Step {
  const name: unknown = definition?.name;
  if (typeof name !== "string" || !STEP_NAME.test(name)) {
    const rule = "1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit";
    throw new InputError("INVALID_PIPELINE", `A step's name is ${JSON.stringify(name) ?? "missing"}; it has ${rule}.`);
  }
  const check: unknown = "check" in definition ? definition.check : undefined;
  const transform: unknown = "transform" in definition ? definition.transform : undefined;
  if ((typeof check === "function") === (typeof transform === "function"))
    throw new InputError("INVALID_PIPELINE", `Step ${name} needs either a check or a transform.`);
  const version = versionOf(name, definition.version);
  if ("check" in definition) return { kind: "check", name, ...version, check: (file) => definition.check(file) };
  const { keySuffix = "", late = false } = definition;
  if (typeof keySuffix !== "string" || keySuffix.includes("/"))
    throw new InputError("INVALID_PIPELINE", `Step ${name}: keySuffix must be a string without "/".`);
  return { kind: "transform", name, ...version, keySuffix, late, transform: (file) => definition.transform(file) };
}

function versionOf(name: string, version: unknown): Pick<Step, "version"> {
  if (version === undefined) return {};
  if (typeof version === "number" && Number.isSafeInteger(version) && version >= 0) return { version: String(version) };
  if (typeof version === "string" && version !== "" && version.length <= VERSION_LIMIT) return { version };
  const rule = `a string of 1 to ${VERSION_LIMIT} characters, or a whole number from 0`;
  throw new InputError("INVALID_PIPELINE", `Step ${name}: its version must be ${rule}.`);
}

/** What becomes of an object's settings. Pure. */
export function changedSettings(settings: ObjectSettings, changes: ObjectChanges): ObjectSettings {
  const { contentType, contentEncoding, metadata, ...others } = settings;
  const type = changes.contentType === undefined ? contentType : changes.contentType;
  const encoding = changes.contentEncoding === undefined ? contentEncoding : changes.contentEncoding;
  const all = { ...metadata, ...changes.metadata };
  return {
    ...others,
    ...(type === null || type === undefined ? {} : { contentType: type }),
    ...(encoding === null || encoding === undefined ? {} : { contentEncoding: encoding }),
    ...(Object.keys(all).length > 0 ? { metadata: all } : {}),
  };
}
