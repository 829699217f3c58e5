import { isDeepStrictEqual } from "node:util";
import { prepareDisposal } from "./drop-folders.ts";
import { InputError, ObjectStoreError, UploadError } from "./errors.ts";
import { type RegisterOptions, toSpec } from "./options.ts";
import { NO_PIPELINES, type Pipelines } from "./pipeline/pipelines.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileSystem } from "./ports/file-system.ts";
import type { ObjectStore } from "./ports/object-store.ts";
import type { UploadLedger } from "./ports/state-store.ts";
import { newId } from "./random.ts";
import { openBase } from "./source.ts";
import { isAtHome, newUpload, type UploadRecord, type UploadSpec } from "./upload.ts";

export interface RegistrationContext {
  readonly state: Pick<UploadLedger, "getUpload" | "insertUpload">;
  readonly objects: Pick<ObjectStore, "checkBucket" | "capabilities">;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** This machine, for uploads that are bound to one. */
  readonly host: string;
  readonly pipelines: Pipelines;
  /** Where the object store is. Default: nobody has said. */
  readonly storeLocation?: string | null;
  readonly onTrouble: (error: unknown) => void;
}

/**
 * Checks an upload from end to end (options, folder, bucket) and only then records it.
 * @returns the upload, and whether it is new
 * @throws as `UploadService.register`
 */
export async function registerUpload(
  context: RegistrationContext,
  options: RegisterOptions,
  signal: AbortSignal | undefined,
): Promise<{ readonly upload: UploadRecord; readonly isNew: boolean }> {
  if (typeof options !== "object" || options === null)
    throw new InputError("INVALID_OPTION", "register() takes an object of options.");
  const id = options.id ?? newId();
  const spec = toSpec(atHost(options, context.host), id, context.pipelines);
  const existing = await context.state.getUpload(id);
  if (existing) return { upload: sameSettings(existing, spec), isNew: false };
  checkOverwrite(context.objects, spec);
  const { storeLocation = null } = context;
  const located = storeLocation === null ? spec : { ...spec, storeLocation };
  const upload = newUpload(id, located, context.clock.now());
  // A folder of another host can only be looked at there; its first scan says what is wrong with it.
  if (isAtHome(upload, context.host)) await prepare(context.fileSystem, spec);
  await checkBucket(context, spec, signal);
  signal?.throwIfAborted();
  if (await context.state.insertUpload(upload)) return { upload, isNew: true };
  // Somebody else was faster with the same id.
  const other = await context.state.getUpload(id);
  return { upload: sameSettings(other ?? upload, spec), isNew: false };
}

/** Otherwise every file would be refused one by one, or worse, an object be replaced. @throws InputError `INVALID_OPTION` */
function checkOverwrite({ capabilities }: RegistrationContext["objects"], { overwrite }: UploadSpec): void {
  if (overwrite === "always" || capabilities.conditionalWrites) return;
  const message =
    'overwrite: "never" needs conditional writes, which this object store does not offer. Use another store, or leave overwrite out.';
  throw new InputError("INVALID_OPTION", message);
}

/** Looks at everything on the disk that the upload needs, and makes the folders of a drop folder. */
async function prepare(fileSystem: FileSystem, spec: UploadSpec): Promise<void> {
  await prepareDisposal(fileSystem, spec, await openBase(fileSystem, spec));
}

/** @throws UploadError `UPLOAD_EXISTS` */
function sameSettings(existing: UploadRecord, spec: UploadSpec): UploadRecord {
  if (isDeepStrictEqual(fixed(existing.spec), fixed(spec))) return existing;
  const message = `Upload ${JSON.stringify(existing.id)} exists with other settings. Use another id.`;
  throw new UploadError("UPLOAD_EXISTS", message);
}

/**
 * What cannot be adjusted: an adjusted upload is still the one that its host registers at every start. Another object
 * store has an error of its own.
 */
function fixed({ priority, schedule, activeHours, bandwidthLimit, storeLocation, ...rest }: UploadSpec) {
  // Records that are older than these settings lack them.
  return { ...DISPOSES_NOTHING, ...NO_PIPELINES.settings(null), ...rest };
}

const DISPOSES_NOTHING = { afterUpload: "keep", drop: null } as const;

/** A drop folder's renames only work on one machine: unless told, on this one. */
function atHost(options: RegisterOptions, host: string): RegisterOptions {
  return options.drop && options.host === undefined ? { ...options, host } : options;
}

async function checkBucket(
  context: RegistrationContext,
  spec: UploadSpec,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { bucket, object } = spec;
  try {
    await context.objects.checkBucket({ bucket, expectedBucketOwner: object.expectedBucketOwner, signal });
  } catch (error) {
    // Write-only credentials may not ask for the bucket; an unreachable store may be back in a minute.
    const lenient = error instanceof ObjectStoreError && ["denied", "transient", "throttled"].includes(error.kind);
    if (!lenient) throw error;
    context.onTrouble(error);
  }
}
