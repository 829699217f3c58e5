import type { ObjectStore } from "../src/index.ts";
import {
  FakeClock,
  type InjectedFault,
  MemoryBuckets,
  MemoryFileSystem,
  MemoryObjectStore,
  MemoryState,
} from "../src/testing/index.ts";

export const BUCKET = "bucket";
export const ID = "u";
const START = Date.UTC(2026, 0, 1);

/** A broken promise, found by the model. */
export class Broken extends Error {}

/** What outlives every process: disk, ledger, bucket, time; and the model that knows what must be true of them. */
export class SimWorld {
  readonly clock = new FakeClock(START);
  readonly disk = new MemoryFileSystem(this.clock);
  readonly ledger = new MemoryState();
  readonly buckets = new MemoryBuckets();
  readonly faults: InjectedFault[] = [];
  /** Every content that a path ever had, as a whole. */
  readonly #versions = new Map<string, Set<string>>();
  readonly #partsSent = new Map<string, number>();
  resendsAllowed = 0;
  calls = 0;

  constructor() {
    this.buckets.create(BUCKET);
  }

  /** Remembers what the path holds now. Call it after every change of the disk. */
  remember(path: string): void {
    const content = this.disk.content(path);
    if (content === undefined) return;
    const versions = this.#versions.get(path) ?? new Set();
    this.#versions.set(path, versions.add(textOf(content)));
  }

  /** The bucket, watched by the model. */
  objects(): ObjectStore {
    const store = new MemoryObjectStore({ state: this.buckets, capabilities: { minPartSize: 1 } });
    return new Proxy<ObjectStore>(store, {
      get: (_, name) => {
        const value: unknown = Reflect.get(store, name, store);
        if (typeof value !== "function") return value;
        if (name === "listMultiparts" || name === "listObjects") return value.bind(store);
        return async (request: { key?: string; multipartId?: string; partNumber?: number }) => {
          if (++this.calls > MOST_CALLS) throw new Broken(`more than ${MOST_CALLS} calls of the object store`);
          const answer: unknown = await Reflect.apply(value, store, [request]);
          if (name === "uploadPart") this.#countPart(`${request.multipartId} ${request.partNumber}`);
          if (name === "putObject" || name === "completeMultipart") this.#checkObject(request.key ?? "");
          return answer;
        };
      },
    });
  }

  /** The bytes under a path's key. */
  object(path: string): string | undefined {
    const object = new MemoryObjectStore({ state: this.buckets }).object(BUCKET, `${ID}/${path}`);
    return object && textOf(object.bytes);
  }

  multiparts(): number {
    return new MemoryObjectStore({ state: this.buckets }).multiparts(BUCKET).length;
  }

  files() {
    return [...(this.ledger.files.get(ID)?.after(undefined) ?? [])];
  }

  /** Invariant 6: what is told is in the ledger already. */
  checkTold(path: string): void {
    if (!this.ledger.files.get(ID)?.get(path)?.evidence)
      throw new Broken(`${path} told as uploaded before it was recorded`);
  }

  /** Invariant 5: how many finished parts were sent again. */
  get partsResent(): number {
    return [...this.#partsSent.values()].reduce((sum, times) => sum + times - 1, 0);
  }

  /** Invariants 1 and 2: every object that ever becomes visible is one version of its file, whole. */
  #checkObject(key: string): void {
    const path = key.slice(ID.length + 1);
    const content = this.object(path);
    if (content !== undefined && !this.#versions.get(path)?.has(content)) {
      this.broken ??= new Broken(`${key} holds ${JSON.stringify(content)}, which ${path} never held as a whole`);
    }
  }

  /** Set when the model saw a broken promise inside a call, where throwing would look like a fault. */
  broken: Broken | undefined;

  #countPart(part: string): void {
    this.#partsSent.set(part, (this.#partsSent.get(part) ?? 0) + 1);
  }
}

const MOST_CALLS = 20_000;

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
