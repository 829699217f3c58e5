import { createFsFromVolume, Volume } from "memfs";
import { expect } from "vitest";
import {
  type EventName,
  type FileRecord,
  type FileSystem,
  type FsLike,
  NodeFileSystem,
  type ObjectStore,
  type ServiceOptions,
  type SpoolFolder,
  type SpoolWriter,
  type StateStore,
  UploadService,
} from "../../src/index.ts";
import {
  FakeClock,
  type FaultedCall,
  faulty,
  MemoryBuckets,
  MemoryObjectStore,
  MemoryState,
  MemoryStateStore,
} from "../../src/testing/index.ts";

export const SOURCE = "/data";
export const BUCKET = "bucket";
const STEP_MS = 2;

/** What outlives a process: the disk, the ledger, the bucket; and time. */
export class World {
  readonly clock = new FakeClock(Date.now());
  readonly volume = Volume.fromJSON({ [`${SOURCE}/.keep`]: "" });
  readonly ledger = new MemoryState();
  readonly buckets = new MemoryBuckets();
  readonly #processes: Process[] = [];

  constructor() {
    this.buckets.create(BUCKET);
  }

  /** Writes a source file, last modified a minute ago on the world's clock. */
  write(path: string, content: string | Buffer): void {
    const full = `${SOURCE}/${path}`;
    this.volume.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    this.volume.writeFileSync(full, content);
    this.touch(path, -60_000);
  }

  touch(path: string, offsetMs: number): void {
    const seconds = (this.clock.now() + offsetMs) / 1000;
    this.volume.utimesSync(`${SOURCE}/${path}`, seconds, seconds);
  }

  remove(path: string): void {
    this.volume.unlinkSync(`${SOURCE}/${path}`);
  }

  get store(): MemoryObjectStore {
    return new MemoryObjectStore({ state: this.buckets, clock: this.clock, capabilities: { minPartSize: 1 } });
  }

  /** Keys and contents of the bucket. */
  bucket(): Record<string, string> {
    const { store } = this;
    const content = (key: string) => Buffer.from(store.object(BUCKET, key)?.bytes ?? []).toString();
    return Object.fromEntries(store.objects(BUCKET).map(({ key }) => [key, content(key)]));
  }

  /** The ledger's files of upload "u", whoever works on them. */
  files(): FileRecord[] {
    return [...(this.ledger.files.get("u")?.after(undefined) ?? [])];
  }

  multiparts(): number {
    return this.store.multiparts(BUCKET).length;
  }

  /** A process: one service on this world's disk, ledger and bucket. */
  boot(options: Partial<ServiceOptions> = {}, { hints = false } = {}): Process {
    const process = new Process(this, options, hints);
    this.#processes.push(process);
    return process;
  }

  /** Moves time on in small steps until the promise settles or the condition holds. */
  async until<T>(goal: Promise<T> | (() => boolean), limitMs = 600_000): Promise<T> {
    let settled = typeof goal === "function" ? undefined : false;
    const watched =
      typeof goal === "function"
        ? undefined
        : goal.finally(() => {
            settled = true;
          });
    watched?.catch(() => {});
    for (let passed = 0; passed < limitMs; ) {
      if (typeof goal === "function" ? goal() : settled) return (await watched) as T;
      // Small steps while things move, larger ones when everybody sleeps for long.
      const step = passed < 2_000 ? STEP_MS : 50;
      await this.clock.advance(step);
      passed += step;
    }
    throw new Error("Nothing happened for ten minutes of the world's time.");
  }

  /** Ends what still runs. */
  async end(): Promise<void> {
    for (const process of this.#processes) {
      let stopped = process.dead;
      if (!stopped) void process.service.stop().finally(() => (stopped = true));
      await this.until(() => stopped || process.dead);
    }
  }
}

export class Process {
  readonly service: UploadService;
  readonly state;
  readonly objects;
  readonly fileSystem;
  readonly events: { name: EventName; event: Record<string, unknown> }[] = [];
  readonly world: World;
  dead = false;
  #calls = 0;
  #killAt: { readonly nth: number; readonly when: "before" | "after" } | undefined;

  constructor(world: World, options: Partial<ServiceOptions>, hints: boolean) {
    this.world = world;
    const { clock } = world;
    const state: StateStore = new MemoryStateStore({ clock, state: world.ledger, hints });
    const objects: ObjectStore = world.store;
    const disk = createFsFromVolume(world.volume) as unknown as FsLike;
    const promises = this.#mortal(disk.promises, DISK_METHODS);
    const fileSystem: FileSystem = new NodeFileSystem({ promises, constants: disk.constants });
    this.state = faulty(this.#mortal(state, STATE_METHODS), [], { clock });
    this.objects = faulty(this.#mortal(objects, OBJECT_METHODS), [], { clock });
    this.fileSystem = faulty(this.#mortal(fileSystem, ["openRoot"]));
    this.service = new UploadService({
      state: this.state.port,
      objects: this.objects.port,
      fileSystem: this.fileSystem.port,
      clock,
      random: () => 0.5,
      chunkSize: 8,
      ...options,
      ...(typeof options.spool?.folder === "object" && {
        spool: { ...options.spool, folder: this.#mortalSpool(options.spool.folder) },
      }),
    });
    for (const name of EVENT_NAMES) {
      this.service.on(
        name,
        (event: object) => void this.events.push({ name, event: event as Record<string, unknown> }),
      );
    }
  }

  /** As SIGKILL: from this moment, nothing the process does has any effect, and nothing it waits for comes. */
  kill(): void {
    this.dead = true;
  }

  /**
   * Kills the process at its `nth` call of any port: before the call is made, or after, when its answer is on the way.
   * @returns how many calls it got to make
   */
  killAtCall(nth: number, when: "before" | "after"): () => number {
    this.#killAt = { nth, when };
    return () => this.#calls;
  }

  #intercept({ proceed }: FaultedCall): unknown {
    const never = new Promise<never>(() => {});
    if (this.dead) return never;
    this.#calls++;
    if (this.#calls !== this.#killAt?.nth) return proceed();
    if (this.#killAt.when === "after") void Promise.resolve(proceed()).catch(() => {});
    this.dead = true;
    return never;
  }

  /** Every call of a port passes here, behind the faults that a test injects. */
  #mortal<T extends object>(port: T, methods: readonly (keyof T)[]): T {
    const guarded = faulty<T>(port);
    for (const method of methods) {
      const rule = { method, times: Number.POSITIVE_INFINITY, run: (call: FaultedCall) => this.#intercept(call) };
      guarded.inject(rule as never);
    }
    return guarded.port;
  }

  #mortalSpool(folder: SpoolFolder): SpoolFolder {
    const guarded = faulty<SpoolFolder>(this.#mortal(folder, ["open", "create", "read", "remove"]));
    const run = async ({ proceed }: FaultedCall) =>
      this.#mortal((await proceed()) as SpoolWriter, ["write", "finish", "discard"]);
    guarded.inject({ method: "create", times: Number.POSITIVE_INFINITY, run } as never);
    return guarded.port;
  }

  named(name: EventName): Record<string, unknown>[] {
    return this.events.filter((told) => told.name === name).map((told) => told.event);
  }

  /** Registers an upload of the source folder, starts, and waits for the upload to finish. */
  async upload(options: Partial<Parameters<UploadService["register"]>[0]> = {}) {
    await this.service.start();
    const { id } = await this.service.register({
      id: "u",
      sourceFolder: SOURCE,
      bucket: BUCKET,
      mode: "once",
      ...options,
    });
    return await this.world.until(this.service.finished(id));
  }

  async expectFile(path: string, expected: object): Promise<void> {
    const files = await this.service.files("u", { limit: 1_000 });
    expect(files.find((file) => file.path === path)).toMatchObject(expected);
  }

  /** Calls of the object store's method since the world began, by whomever. */
  calls(method: string): number {
    return this.world.store.calls.filter((call) => call.method === method).length;
  }
}

const STATE_METHODS = [
  "open",
  "close",
  "insertUpload",
  "getUpload",
  "listUploads",
  "updateUpload",
  "getFile",
  "listFiles",
  "findFileByKey",
  "listParts",
  "counters",
  "commit",
  "claim",
  "nextDue",
  "heartbeat",
  "rescue",
  "retire",
  "isAlive",
  "getNotice",
  "listNotices",
  "dueNotices",
  "nextNotice",
  "updateNotice",
] as const;

/** What changes a disk; everything else only looks at it. */
const DISK_METHODS = ["mkdir", "rename", "unlink", "rmdir"] as const;

const OBJECT_METHODS = [
  "checkBucket",
  "putObject",
  "putStream",
  "headObject",
  "createMultipart",
  "uploadPart",
  "listParts",
  "completeMultipart",
  "abortMultipart",
  "deleteObject",
  "close",
] as const;

const EVENT_NAMES: readonly EventName[] = [
  "upload:registered",
  "upload:started",
  "upload:scanning",
  "upload:scanned",
  "upload:progress",
  "upload:completed",
  "upload:failed",
  "upload:reopened",
  "upload:paused",
  "upload:resumed",
  "upload:cancelled",
  "upload:adjusted",
  "upload:waiting",
  "upload:changed",
  "upload:verified",
  "file:queued",
  "file:started",
  "file:progress",
  "file:uploaded",
  "file:retrying",
  "file:failed",
  "file:skipped",
  "file:unstable",
  "file:changed",
  "file:removed",
  "file:deleted",
  "step:started",
  "step:finished",
  "file:claimed",
  "file:disposed",
  "monitor:check",
  "monitor:live",
  "monitor:degraded",
  "monitor:requeued",
  "recovery:finished",
  "warning",
];
