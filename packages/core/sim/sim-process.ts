import {
  type ChangeOutcome,
  type FileChange,
  NOTICE_EVENTS,
  type ObjectErrorKind,
  type ObjectStore,
  ObjectStoreError,
  ServiceError,
  type SpoolFolder,
  type StateStore,
  StateStoreError,
  UploadService,
} from "../src/index.ts";
import { type FaultedCall, type FaultRule, type Faulty, faulty, type MemorySpools } from "../src/testing/index.ts";
import { SUBSCRIBER } from "./notice-model.ts";
import type { FaultedMethod, FaultKind, SilencedMethod } from "./plan.ts";
import type { SeededRandom } from "./random.ts";
import type { SimHandle } from "./sim-ledger.ts";
import { pipelinesFor } from "./sim-steps.ts";
import { BUCKET, type SimWorld } from "./sim-world.ts";

const DELIVERY_MS = 5_000;
const ALWAYS = Number.POSITIVE_INFINITY;

/** One run of the service in the world, that can be killed, frozen and lied to. */
export class SimProcess {
  readonly service: UploadService;
  readonly world: SimWorld;
  readonly #random: SeededRandom;
  readonly #objects: Faulty<ObjectStore>;
  readonly #state: Faulty<StateStore>;
  readonly #ledger: SimHandle;
  /** Outcomes of commits that were never answered. */
  readonly #unsettled = new WeakMap<readonly FileChange[], ChangeOutcome[]>();
  #callsLeft = ALWAYS;
  #when: "before" | "after" = "before";
  #thawed: Promise<void> | undefined;
  dead = false;

  /** @param spools of the machine that it runs on */
  constructor(world: SimWorld, random: SeededRandom, spools: MemorySpools) {
    this.world = world;
    this.#random = random;
    const { clock } = world;
    this.#objects = faulty(this.#mortal(world.objects()), [], { clock });
    this.#ledger = world.ledger.connect();
    const settling: FaultRule<StateStore> = {
      method: "commit",
      times: ALWAYS,
      when: (changes) => this.#unsettled.has(changes),
      run: ({ args: [changes] }) => Promise.resolve(this.#settle(changes as readonly FileChange[])),
    };
    this.#state = faulty(this.#mortal(world.notices.watched(this.#ledger.store)), [settling], { clock });
    this.service = new UploadService({
      state: this.#state.port,
      objects: this.#objects.port,
      fileSystem: this.#mortal(world.disk),
      pipelines: pipelinesFor(world.pipeline, world),
      spool: { folder: this.#mortalSpool(spools), maxBytes: 400 },
      clock,
      random: random.next,
      chunkSize: 8,
      concurrency: 3,
      partConcurrency: 2,
      memoryLimit: 64 * 1024,
      retry: { attempts: 3, baseMs: 500, capMs: 8_000 },
      monitorInterval: 10_000,
      stabilityThreshold: 2_000,
      requeueFailedAfter: 60_000,
      lease: 30_000,
    });
    this.service.outbox.keepFor(SUBSCRIBER, NOTICE_EVENTS);
    this.service.on("file:uploaded", (event) => world.checkTold(event.path));
  }

  /** Hands notices to a receiver that now and then gets one and does not say so; until the service stops. */
  async deliverNotices(): Promise<void> {
    const { outbox } = this.service;
    for (;;) {
      await this.world.clock.sleep(DELIVERY_MS);
      try {
        for (const notice of await outbox.take({ subscriber: SUBSCRIBER, limit: 3, leaseMs: 4 * DELIVERY_MS })) {
          this.world.notices.receive(notice);
          if (this.#random.chance(0.8)) await outbox.delivered(notice);
        }
      } catch (error) {
        if (error instanceof ServiceError) return;
        if (!(error instanceof StateStoreError)) throw error;
      }
    }
  }

  /** As SIGKILL, at the `inCalls`-th call of any port from now: before it takes effect, or when its answer is on the way. */
  kill(inCalls: number, when: "before" | "after"): void {
    this.#callsLeft = inCalls;
    this.#when = when;
  }

  /** As SIGSTOP: nothing it does happens until the time is over; time goes on. */
  freeze(ms: number): void {
    this.#thawed = this.world.clock.sleep(ms).then(() => {
      this.#thawed = undefined;
    });
  }

  fault(method: FaultedMethod, kind: FaultKind, times: number): void {
    const rule = { method, times, ...this.#faultOf(method, kind) } as FaultRule<ObjectStore>;
    this.world.faults.push(this.#objects.inject(rule));
    if (kind === "lostAnswer" || kind === "hangAfter" || kind === "wrongChecksum") this.world.resendsAllowed += times;
  }

  ledgerFault(kind: "full" | "busy" | "broken", times: number): void {
    const error = {
      full: () => new StateStoreError("STATE_FULL", "made full"),
      busy: () => new StateStoreError("STATE_BUSY", "made busy"),
      broken: () => new Error("made to break"),
    }[kind];
    this.world.faults.push(this.#state.inject({ method: "commit", times, before: error }));
    this.world.resendsAllowed += times * 6;
  }

  /** The ledger does what it is asked, and its answer is lost. A commit that is asked for again is settled, as the port says. */
  ledgerSilence(method: SilencedMethod, times: number): void {
    const run = async ({ args: [changes], proceed }: FaultedCall) => {
      const answer = await proceed();
      if (method === "commit") this.#unsettled.set(changes as readonly FileChange[], answer as ChangeOutcome[]);
      throw new StateStoreError("STATE_UNAVAILABLE", "made silent");
    };
    this.world.faults.push(this.#state.inject({ method, times, run } as FaultRule<StateStore>));
    this.world.resendsAllowed += times * 6;
  }

  #settle(changes: readonly FileChange[]): ChangeOutcome[] | undefined {
    const outcomes = this.#unsettled.get(changes);
    this.#unsettled.delete(changes);
    return outcomes;
  }

  #faultOf(method: FaultedMethod, kind: FaultKind): object {
    const fail =
      (error: ObjectErrorKind, ambiguous = false) =>
      () =>
        new ObjectStoreError({ kind: error, operation: method, bucket: BUCKET, ambiguous }, `made to fail: ${kind}`);
    switch (kind) {
      case "lostAnswer":
        return { after: fail("transient", true) };
      case "hang":
        return { hang: "before" };
      case "hangAfter":
        return { hang: "after" };
      case "slow":
        return { delayMs: this.#random.between(1, 5_000) };
      case "wrongChecksum":
        return { run: async ({ proceed }: FaultedCall) => withWrongChecksum(await proceed()) };
      default:
        return { before: fail(kind) };
    }
  }

  #mortalSpool(spools: MemorySpools): SpoolFolder {
    const folder = this.#mortal(spools.folder(() => !this.dead));
    return new Proxy(folder, {
      get: (target, name) =>
        name === "create"
          ? async () => this.#mortal(await target.create())
          : (Reflect.get(target, name, target) as unknown),
    });
  }

  #mortal<T extends object>(port: T): T {
    const intercept = (call: FaultedCall) => this.#intercept(call);
    return new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name === "listMultiparts" || name === "listObjects" || name === "subscribe") return value.bind(target);
        return (...args: unknown[]) =>
          intercept({ method: String(name), args, proceed: () => Reflect.apply(value, target, args) as unknown });
      },
    });
  }

  async #intercept({ proceed }: FaultedCall): Promise<unknown> {
    while (this.#thawed !== undefined) await this.#thawed;
    if (this.dead) return await never();
    if (--this.#callsLeft > 0) return await proceed();
    if (this.#when === "after") await Promise.resolve(proceed()).catch(() => {});
    this.dead = true;
    this.world.checkPlaces();
    this.#ledger.die();
    return await never();
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function withWrongChecksum(answer: unknown): unknown {
  return typeof answer === "object" && answer !== null && "checksum" in answer
    ? { ...answer, checksum: "crc32:00000bad" }
    : answer;
}
