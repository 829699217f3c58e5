import { hostname } from "node:os";
import { systemClock } from "./clock.ts";
import { Confinement } from "./confinement.ts";
import { withinRoots } from "./decorators/confined.ts";
import { watchWithin } from "./decorators/confined-watcher.ts";
import { type Logger, silentLogger } from "./emitter.ts";
import { InputError } from "./errors.ts";
import type { ServiceLimits } from "./limits.ts";
import { NodeFileSystem } from "./node-file-system.ts";
import { NodeFolderWatcher } from "./node-folder-watcher.ts";
import { NodeSpoolFolder } from "./node-spool-folder.ts";
import { activeHoursOption, bandwidthOption, wholeNumber } from "./options.ts";
import { DEFAULT_CHUNK_SIZE } from "./parts.ts";
import { type PipelineDefinition, Pipelines } from "./pipeline/pipelines.ts";
import type { Clock, Random } from "./ports/clock.ts";
import type { FileSystem } from "./ports/file-system.ts";
import type { FolderWatcher } from "./ports/folder-watcher.ts";
import type { ObjectStore } from "./ports/object-store.ts";
import type { SpoolFolder } from "./ports/spool-folder.ts";
import type { StateStore } from "./ports/state-store.ts";
import { newId, systemRandom } from "./random.ts";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.ts";

/** What a service is made of. Only the two stores are required. Durations in milliseconds, sizes in bytes. */
export interface ServiceOptions {
  /** The ledger. The service opens it, and closes it when it stops. */
  readonly state: StateStore;
  /** The bucket's side. Closed when the service stops. */
  readonly objects: ObjectStore;
  /**
   * Where the object store is, such as its endpoint. It is recorded with every upload, and a service that is told another
   * location refuses to work on it: else the ledger would take objects for there that are elsewhere. Default: not checked.
   */
  readonly storeLocation?: string;
  readonly fileSystem?: FileSystem;
  /**
   * Folders outside which nothing may be read: a source folder must lead into one of them, links followed. Relative ones are
   * taken from the working directory; one that does not exist (yet) admits nothing. Default: no confinement.
   */
  readonly allowedRoots?: readonly string[];
  readonly clock?: Clock;
  /** Uniform in [0, 1); for jitter. */
  readonly random?: Random;
  readonly logger?: Logger;
  /** What this service is called in the ledger, for people; each run adds something unique. Default: only that. */
  readonly owner?: string;
  /** The name of this machine, for uploads that are bound to one host. Default: the system's host name. */
  readonly host?: string;
  /** Files in flight at once. Default 5. */
  readonly concurrency?: number;
  /** Local hours in which files are sent, such as `22:00-06:00`. Default: always. `setLimits` changes it. */
  readonly activeHours?: string;
  /** Bytes per second, over all uploads. Default: no limit. `setLimits` changes it. */
  readonly bandwidthLimit?: number;
  /** Parts in flight at once per file. Default 4 to begin with, and up to 16 as long as more of them carry more. */
  readonly partConcurrency?: number;
  /**
   * Files up to this go in one request, larger ones in parts of this. Where a request carries more within half a second, both
   * grow with that, up to 8 MiB, but not while bandwidth is limited. Default 5 MiB.
   */
  readonly chunkSize?: number;
  /**
   * Pipelines by name, for uploads to choose from: steps in their order, checks before transforms. What transforms make is
   * spooled on disk until it has arrived; `spool: false` streams it, and starts over after every failure.
   */
  readonly pipelines?: Readonly<Record<string, PipelineDefinition>>;
  /**
   * Where transformed files wait until they have arrived: a folder on a disk of this machine that several services may share
   * (default: one below the system's folder for temporary files), and how many bytes may lie there (default 16 GiB).
   */
  readonly spool?: SpoolOptions;
  /**
   * How long a step of a pipeline may stand still: neither ask for bytes, nor give some, nor answer. Then the attempt has
   * failed. Default 10 minutes.
   */
  readonly stepTimeout?: number;
  /** Bound on the memory of all bodies together. Default 128 MiB. */
  readonly memoryLimit?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** Deadline of each request; a body adds 1 s per 64 KiB. CompleteMultipartUpload has 5 minutes instead. Default 30 s. */
  readonly requestTimeout?: number;
  /**
   * Where hints of changes in watched folders come from; `none`: only scans find them. Default: the file system's events,
   * and `none` with a `fileSystem` of your own.
   */
  readonly watcher?: FolderWatcher | "none";
  /** Between two scans of a watched folder. Default 60 s. */
  readonly monitorInterval?: number;
  /** How long a file must have been left alone before it is sent. Default 5 s for watched uploads; `once` takes files as they are. */
  readonly stabilityThreshold?: number;
  /** After which failed files are queued again by the monitor. Default 1 hour. */
  readonly requeueFailedAfter?: number;
  /** Multipart uploads of ours that the ledger does not know are aborted when they are older than this. Default 24 hours. */
  readonly orphanAge?: number;
  /** Between two progress events of one upload. Default 500 ms. */
  readonly progressInterval?: number;
  /** How long others wait before they take over from a service that shows no life. Default 30 s. */
  readonly lease?: number;
}

export type ResolvedOptions = Required<
  Omit<
    ServiceOptions,
    "storeLocation" | "retry" | "watcher" | "allowedRoots" | "pipelines" | "spool" | keyof ServiceLimits
  >
> & {
  readonly storeLocation: string | null;
  readonly pipelines: Pipelines;
  readonly spool: { readonly folder: SpoolFolder; readonly maxBytes: number };
  /** Absolute; null: no confinement. */
  readonly allowedRoots: readonly string[] | null;
  /** Parts in flight at once per file, at most; to begin with, it is `partConcurrency`. */
  readonly mostPartConcurrency: number;
  readonly activeHours: string | null;
  readonly bandwidthLimit: number | null;
  readonly retry: RetryPolicy;
  readonly watcher: FolderWatcher | undefined;
};

/** Where pipelines keep what their transforms have made until it has arrived, and how much of it there may be. */
export interface SpoolOptions {
  /** A path, or where files wait in a world without disks. Default: a folder of its own below the system's temporary one. */
  readonly folder?: string | SpoolFolder;
  /** Bytes that may wait there at once; a file that does not fit waits for its turn. Default 16 GiB. */
  readonly maxBytes?: number;
}

const DEFAULT_SPOOL_BYTES = 16 * 1024 ** 3;

/** Unless somebody has said how many there are to be. */
const MOST_PARTS = 16;

const NUMBERS = {
  concurrency: [5, 1],
  partConcurrency: [4, 1],
  chunkSize: [DEFAULT_CHUNK_SIZE, 1],
  memoryLimit: [128 * 1024 * 1024, 1],
  stepTimeout: [600_000, 1],
  requestTimeout: [30_000, 1],
  monitorInterval: [60_000, 1],
  stabilityThreshold: [5_000, 0],
  requeueFailedAfter: [3_600_000, 0],
  orphanAge: [86_400_000, 0],
  progressInterval: [500, 1],
  lease: [30_000, 3],
} as const;

/** @throws InputError `INVALID_OPTION` */
export function resolveOptions(options: ServiceOptions): ResolvedOptions {
  for (const name of ["state", "objects"] as const) {
    const store: unknown = options?.[name];
    if (typeof store !== "object" || store === null)
      throw new InputError("INVALID_OPTION", `Option ${name} must be a store.`);
  }
  const clock = options.clock ?? systemClock;
  const number = (name: keyof typeof NUMBERS) => wholeNumber(name, options[name] ?? NUMBERS[name][0], NUMBERS[name][1]);
  return {
    state: options.state,
    objects: options.objects,
    storeLocation: locationOption(options.storeLocation),
    ...sourceSide(options, clock),
    clock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
    // Unique per run: a restart must not be taken for its dead predecessor, whose files it has to rescue.
    owner: options.owner === undefined ? newId() : `${options.owner}#${newId()}`,
    host: hostName(options.host),
    ...pipelineSide(options),
    concurrency: number("concurrency"),
    activeHours: activeHoursOption(options.activeHours),
    bandwidthLimit: bandwidthOption(options.bandwidthLimit),
    partConcurrency: number("partConcurrency"),
    mostPartConcurrency: options.partConcurrency ?? MOST_PARTS,
    chunkSize: number("chunkSize"),
    memoryLimit: number("memoryLimit"),
    stepTimeout: number("stepTimeout"),
    requestTimeout: number("requestTimeout"),
    monitorInterval: number("monitorInterval"),
    stabilityThreshold: number("stabilityThreshold"),
    requeueFailedAfter: number("requeueFailedAfter"),
    orphanAge: number("orphanAge"),
    progressInterval: number("progressInterval"),
    lease: number("lease"),
    retry: retryPolicy(options.retry),
  };
}

function locationOption(value: unknown): string | null {
  if (value === undefined) return null;
  if (typeof value === "string" && value !== "") return value;
  throw new InputError("INVALID_OPTION", "Option storeLocation must be a non-empty string, such as an endpoint.");
}

/** All that reads source folders, kept inside the allowed roots if there are any. */
function sourceSide(
  options: ServiceOptions,
  clock: Clock,
): Pick<ResolvedOptions, "fileSystem" | "watcher" | "allowedRoots"> {
  const fileSystem = options.fileSystem ?? new NodeFileSystem();
  const watcher = watcherOf(options);
  const roots = rootsOption(options.allowedRoots);
  if (!roots) return { fileSystem, watcher, allowedRoots: null };
  const confinement = new Confinement(fileSystem, roots);
  return {
    fileSystem: withinRoots(fileSystem, confinement.roots),
    watcher: watcher && watchWithin(watcher, confinement, clock),
    allowedRoots: confinement.roots,
  };
}

/** @throws InputError `INVALID_PIPELINE`, `INVALID_OPTION` */
function pipelineSide(options: ServiceOptions): Pick<ResolvedOptions, "pipelines" | "spool"> {
  const { folder, maxBytes = DEFAULT_SPOOL_BYTES } = options.spool ?? {};
  const isPath = typeof folder === "string" && folder !== "" && !folder.includes("\0");
  if (folder !== undefined && !isPath && typeof folder !== "object")
    throw new InputError("INVALID_OPTION", "Option spool.folder must be a path.");
  return {
    pipelines: new Pipelines(options.pipelines ?? {}),
    spool: {
      folder: typeof folder === "object" ? folder : new NodeSpoolFolder({ host: hostName(options.host), folder }),
      maxBytes: wholeNumber("spool.maxBytes", maxBytes, 1),
    },
  };
}

function rootsOption(roots: unknown): readonly string[] | undefined {
  if (roots === undefined) return undefined;
  const isPath = (root: unknown) => typeof root === "string" && root !== "" && !root.includes("\0");
  if (!Array.isArray(roots) || !roots.every(isPath))
    throw new InputError("INVALID_OPTION", "Option allowedRoots must be an array of paths.");
  return roots as string[];
}

function watcherOf({ watcher, fileSystem }: ServiceOptions): FolderWatcher | undefined {
  if (watcher === "none") return undefined;
  if (watcher === undefined) return fileSystem ? undefined : new NodeFolderWatcher();
  if (typeof watcher?.watch !== "function")
    throw new InputError("INVALID_OPTION", 'Option watcher must be a FolderWatcher or "none".');
  return watcher;
}

function hostName(host: unknown = hostname()): string {
  if (typeof host !== "string" || host === "")
    throw new InputError("INVALID_OPTION", "Option host must be a non-empty string.");
  return host;
}

function retryPolicy(retry: Partial<RetryPolicy> = {}): RetryPolicy {
  const number = (name: keyof RetryPolicy, least: number) =>
    wholeNumber(`retry.${name}`, retry[name] ?? DEFAULT_RETRY[name], least);
  return { attempts: number("attempts", 1), baseMs: number("baseMs", 0), capMs: number("capMs", 0) };
}
