import type { ObjectStore } from "../src/index.ts";
import { type InjectedFault, MemoryBuckets, MemoryObjectStore, MemorySpools } from "../src/testing/index.ts";
import { Broken } from "./broken.ts";
import { NoticeModel } from "./notice-model.ts";
import type { Plan } from "./plan.ts";
import { SimDisk } from "./sim-disk.ts";
import { ID, type SimLedger } from "./sim-ledger.ts";
import { shapeOf } from "./sim-steps.ts";

export const BUCKET = "bucket";

/** What outlives every process: disk, ledger, bucket, time; and the model that knows what must be true of them. */
export class SimWorld {
  readonly ledger: SimLedger;
  readonly clock: SimLedger["clock"];
  readonly disk: SimDisk;
  readonly buckets = new MemoryBuckets();
  readonly faults: InjectedFault[] = [];
  readonly notices = new NoticeModel();
  readonly pipeline: Plan["pipeline"];
  readonly shape: ReturnType<typeof shapeOf>;
  /** Of the machine, unless every process has one of its own. */
  readonly spools = new MemorySpools();
  salts = 0;
  healed = false;
  /** Every content that a path ever had, as a whole. */
  readonly #versions = new Map<string, Set<string>>();
  /** Since when each path has been on the disk, on the monotonic clock. */
  readonly #there = new Map<string, number>();
  readonly #partsSent = new Map<string, number>();
  resendsAllowed = 0;
  calls = 0;

  constructor(ledger: SimLedger, plan: Pick<Plan, "pipeline" | "disposal" | "movesFail">) {
    this.ledger = ledger;
    this.pipeline = plan.pipeline;
    this.shape = shapeOf(plan.pipeline);
    this.clock = ledger.clock;
    this.disk = new SimDisk(ledger.clock, plan, {
      object: (path) => this.object(path),
      isRecorded: (path) => ledger.isRecorded(path),
    });
    this.buckets.create(BUCKET);
  }

  /** What a producer does with a path, remembered. */
  produce(path: string, act: (at: string) => void): void {
    this.disk.produce(path, act);
    const content = this.disk.content(this.disk.at(path));
    if (content === undefined) {
      this.#there.delete(path);
      return;
    }
    if (!this.#there.has(path)) this.#there.set(path, this.clock.monotonic());
    const versions = this.#versions.get(path) ?? new Set();
    this.#versions.set(path, versions.add(textOf(content)));
  }

  /** Every file is where it may be, whatever has just happened. */
  checkPlaces(): void {
    try {
      this.disk.check();
    } catch (error) {
      this.broken ??= error as Broken;
    }
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
          if (answer === "deleted") this.#checkDeletion(request.key ?? "");
          if (name === "putObject" || name === "putStream" || name === "completeMultipart")
            this.#checkObject(request.key ?? "");
          return answer;
        };
      },
    });
  }

  /** The file that the object under a path's key was made of. */
  object(path: string): string | undefined {
    const object = new MemoryObjectStore({ state: this.buckets }).object(BUCKET, `${ID}/${path}${this.shape.suffix}`);
    return object && textOf(this.shape.unmade(object.bytes));
  }

  multiparts(): number {
    return new MemoryObjectStore({ state: this.buckets }).multiparts(BUCKET).length;
  }

  /** Invariant 6: what is told is in the ledger already. */
  checkTold(path: string): void {
    const judge = (isRecorded: boolean) => {
      if (!isRecorded) this.broken ??= new Broken(`${path} told as uploaded before it was recorded`);
    };
    const isRecorded = this.ledger.isRecorded(path);
    if (typeof isRecorded === "boolean") judge(isRecorded);
    else void isRecorded.then(judge);
  }

  /** Invariant 5: how many finished parts were sent again. */
  get partsResent(): number {
    return [...this.#partsSent.values()].reduce((sum, times) => sum + times - 1, 0);
  }

  /** Invariants 1 and 2: every object that ever becomes visible is one version of its file, whole. */
  #checkObject(key: string): void {
    const path = this.#pathOf(key);
    const content = this.object(path);
    if (content !== undefined && !this.#versions.get(path)?.has(content)) {
      this.broken ??= new Broken(`${key} holds ${JSON.stringify(content)}, which ${path} never held as a whole`);
    }
  }

  /** No object is deleted of a file that has been there for longer than any process sleeps. */
  #checkDeletion(key: string): void {
    const since = this.#there.get(this.#pathOf(key));
    if (since !== undefined && this.clock.monotonic() - since > LONGEST_SLEEP_MS)
      this.broken ??= new Broken(`${key} was deleted although its file is there`);
  }

  #pathOf(key: string): string {
    return key.slice(ID.length + 1, key.length - this.shape.suffix.length);
  }

  /** Set when the model saw a broken promise inside a call, where throwing would look like a fault. */
  broken: Broken | undefined;

  #countPart(part: string): void {
    this.#partsSent.set(part, (this.#partsSent.get(part) ?? 0) + 1);
  }
}

const LONGEST_SLEEP_MS = 150_000;
const MOST_CALLS = 20_000;

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
