import { BucketlineError, FILE_STATES, type FileRecord, type Notice } from "../src/index.ts";
import { MemorySpools } from "../src/testing/index.ts";
import { Broken } from "./broken.ts";
import type { Happening, Plan, Step } from "./plan.ts";
import { SeededRandom } from "./random.ts";
import { SOURCE } from "./sim-disk.ts";
import { ID, MemoryLedger, type SimLedger } from "./sim-ledger.ts";
import { SimProcess } from "./sim-process.ts";
import { BUCKET, SimWorld } from "./sim-world.ts";

const LONGEST_MS = 4 * 3_600_000;
const MOST_NOTICES = 10_000;
/** Files and parts in flight per process: what a death may cost again. */
const IN_FLIGHT = 3 * 2;

/**
 * Lives through a plan, heals the world, and holds what is left against the model.
 * @param ledger Default: one in memory. Its owner closes it.
 * @throws Broken when a promise was not kept
 */
export async function simulate(
  plan: Plan,
  ledger: SimLedger = new MemoryLedger(plan.hints),
): Promise<{ readonly steps: number; readonly calls: number; readonly disposed: number; readonly refused: number }> {
  const simulation = new Simulation(plan, ledger);
  await simulation.begin();
  for (const step of plan.steps) await simulation.live(step);
  await simulation.heal();
  await simulation.checkAll();
  const { calls, disk } = simulation.world;
  return { steps: plan.steps.length, calls, disposed: disk.disposed, refused: disk.refused };
}

class Simulation {
  readonly world: SimWorld;
  readonly #random: SeededRandom;
  readonly #processes: SimProcess[] = [];
  readonly #plan: Plan;
  #cancelled = false;

  constructor(plan: Plan, ledger: SimLedger) {
    this.world = new SimWorld(ledger, plan);
    this.#random = new SeededRandom(plan.seed ^ 0x5eed);
    this.#plan = plan;
  }

  async begin(): Promise<void> {
    await this.world.disk.prepare();
    for (const { path, size, fill } of this.#plan.files) this.#write(path, bytesOf(size, fill));
    for (let index = 0; index < this.#plan.processes; index++) this.#boot(index);
  }

  async live(step: Step): Promise<void> {
    await this.#pass(step.after);
    this.#happen(step);
    this.world.checkPlaces();
    if (this.world.broken) throw this.world.broken;
  }

  /** No more faults, the disk is there, every process has stopped. */
  async heal(): Promise<void> {
    this.world.disk.mounted = true;
    this.world.disk.sticks = false;
    this.world.healed = true;
    this.world.ledger.heal();
    for (const fault of this.world.faults) fault.remove();
    await this.#pass(150_000);
    this.world.disk.mounted = true;
    const living = this.#processes.filter((process) => !process.dead);
    await this.#until(Promise.all(living.map((process) => process.service.stop())), "stop of the living");
  }

  /** A new process alone must lead to the bucket of a run that nobody disturbed. */
  async checkAll(): Promise<void> {
    const last = this.#spawn();
    await this.#until(last.service.start(), "last start");
    await this.#pass(40_000);
    const upload = await this.#until(this.#registered(last), "registration");
    if (upload === "CANCELLED") this.#cancelled = true;
    else {
      await this.#converge(last);
      await this.#checkVerified(last);
    }
    await this.#until(last.service.stop(), "last stop");
    this.world.checkPlaces();
    if (this.world.broken) throw this.world.broken;
    this.#check(
      this.world.spools.files.length === 0,
      `${this.world.spools.files.length} spooled file(s) are left over`,
    );
    this.#check(this.world.multiparts() === 0, `${this.world.multiparts()} multipart upload(s) are left over`);
    const resent = this.world.partsResent;
    const allowed = this.world.resendsAllowed + this.world.ledger.unanswered * IN_FLIGHT;
    this.#check(resent <= allowed, `${resent} finished parts were sent again, ${allowed} allowed`);
    const files = await this.world.ledger.files();
    await this.#checkCounters(files);
    this.world.notices.check(await this.#until(this.#notices(), "list of notices"));
    if (this.#cancelled) return;
    this.#checkFiles(files);
    if (this.#plan.onSourceDelete === "delete") this.#checkDeleted(files);
  }

  async #registered(process: SimProcess): Promise<string> {
    const { state } = await process.service.register(this.#registration());
    if (state === "PAUSED") await process.service.resume(ID);
    if (state !== "CANCELLED") await process.service.retry(ID);
    return state;
  }

  async #converge(process: SimProcess): Promise<void> {
    for (let round = 0; round < 5; round++) {
      const scan = await this.#until(process.service.check(ID), "check");
      this.#check(scan?.complete === true || this.world.disk.paths.length === 0, "the last scan was not complete");
      await this.#until(process.service.finished(ID), "finish");
      if (this.#behind().length === 0) return;
      await this.#pass(15_000);
    }
    throw new Broken(`these files never arrived: ${this.#behind().join(", ")}`);
  }

  /** What was never disturbed from outside, the service finds in order itself. */
  async #checkVerified(process: SimProcess): Promise<void> {
    const { missing, different } = await this.#until(process.service.verify(ID, { deep: true }), "verification");
    this.#check(missing + different === 0, `verify found ${missing} missing and ${different} different object(s)`);
  }

  /** Files on the disk that the bucket does not hold as they are, or that were to be taken away. */
  #behind(): string[] {
    if (this.world.disk.disposes) return this.world.disk.behind();
    return this.world.disk.paths.filter((path) => this.world.object(path) !== textOf(this.world.disk.content(path)));
  }

  #checkFiles(records: readonly FileRecord[]): void {
    const files = new Map(records.map((file) => [file.path, file]));
    for (const [path, content] of this.world.disk.latest) {
      const file = files.get(path);
      this.#check(file?.state === "UPLOADED", `${path} is ${file?.state ?? "unknown"} in the ledger, not UPLOADED`);
      this.#check(
        file?.evidence?.size === content.length + this.world.shape.extra,
        `the evidence of ${path} has another size`,
      );
    }
    for (const file of files.values()) {
      this.#check(file.owner === null && file.transfer === null, `${file.path} still has an owner or a transfer`);
      if (file.state === "UPLOADED")
        this.#check(this.world.object(file.path) !== undefined, `${file.path} is UPLOADED and not there`);
    }
  }

  /** Where a folder is empty, absence proves nothing. */
  #checkDeleted(records: readonly FileRecord[]): void {
    if (this.world.disk.paths.length === 0) return;
    for (const { path, state, evidence } of records) {
      if (state !== "REMOVED") continue;
      this.#check(evidence === null, `${path} is gone, and its object is not settled`);
      this.#check(this.world.object(path) === undefined, `${path} is gone, and its object is not`);
    }
  }

  async #checkCounters(records: readonly FileRecord[]): Promise<void> {
    const counters = await this.world.ledger.counters();
    for (const state of FILE_STATES) {
      const files = records.filter((file) => file.state === state);
      const bytes = files.reduce((sum, file) => sum + file.size, 0);
      const same = counters[state].files === files.length && counters[state].bytes === bytes;
      this.#check(same, `the counters of ${state} are wrong`);
    }
  }

  async #notices(): Promise<Notice[]> {
    const { store } = this.world.ledger.connect();
    await store.open();
    const notices = await store.listNotices({ limit: MOST_NOTICES });
    await store.close();
    return notices;
  }

  #registration() {
    const pipeline = this.world.pipeline === "none" ? {} : { pipeline: "p" };
    const { onSourceDelete } = this.#plan;
    return { id: ID, bucket: BUCKET, sourceFolder: SOURCE, ...this.world.disk.options, ...pipeline, onSourceDelete };
  }

  #boot(index: number): void {
    const process = this.#spawn();
    this.#processes[index] = process;
    const start = async () => {
      await process.service.start();
      await process.service.register(this.#registration());
    };
    start().catch((error: unknown) => this.#expected(error));
  }

  #spawn(): SimProcess {
    const spools = this.#plan.losesSpools ? new MemorySpools() : this.world.spools;
    const process = new SimProcess(this.world, this.#random, spools);
    if (this.#plan.delivers) process.deliverNotices().catch((error: unknown) => this.#expected(error));
    return process;
  }

  #happen(step: Happening): void {
    const { disk, clock } = this.world;
    switch (step.do) {
      case "write":
      case "rewriteKeepingTime":
        return this.#write(step.path, bytesOf(step.size, step.fill), step.do === "rewriteKeepingTime");
      case "replace":
        return this.world.produce(step.path, (at) => disk.replace(at, bytesOf(step.size, step.fill)));
      case "append": {
        const old = disk.content(disk.at(step.path)) ?? new Uint8Array();
        return this.#write(step.path, Buffer.concat([old, bytesOf(step.size, 65)]));
      }
      case "truncate":
        return this.#write(step.path, (disk.content(disk.at(step.path)) ?? new Uint8Array()).slice(0, step.size));
      case "remove":
        return this.world.produce(step.path, (at) => disk.remove(at));
      case "unmount":
        disk.mounted = false;
        void clock.sleep(step.forMs).then(() => {
          disk.mounted = true;
        });
        return undefined;
      case "stepClock":
        return clock.step(step.ms);
      case "abortMultiparts":
        return this.#abortMultiparts();
      default:
        return this.#command(step);
    }
  }

  #command(
    step: Extract<
      Happening,
      {
        do:
          | "kill"
          | "freeze"
          | "stop"
          | "fault"
          | "ledgerFault"
          | "ledgerSilence"
          | "pause"
          | "resume"
          | "retry"
          | "check"
          | "cancel";
      }
    >,
  ): void {
    const process = this.#processes["process" in step ? step.process : 0];
    if (!process) return;
    switch (step.do) {
      case "kill":
        this.world.resendsAllowed += IN_FLIGHT;
        process.kill(step.inCalls, step.when);
        return this.#restart(process, step.downMs, step.process);
      case "freeze":
        this.world.resendsAllowed += IN_FLIGHT;
        return process.freeze(step.forMs);
      case "stop":
        void process.service.stop().catch((error: unknown) => this.#expected(error));
        return this.#restart(process, step.downMs, step.process);
      case "fault":
        return process.fault(step.method, step.kind, step.times);
      case "ledgerFault":
        return process.ledgerFault(step.kind, step.times);
      case "ledgerSilence":
        return process.ledgerSilence(step.method, step.times);
      default:
        void process.service[step.do](ID).catch((error: unknown) => this.#expected(error));
    }
  }

  /** The supervisor starts another process in its place, once it is dead or has stopped. */
  #restart(process: SimProcess, downMs: number, index: number): void {
    void this.world.clock.sleep(downMs).then(() => {
      if (this.#processes[index] !== process) return;
      if (!process.dead) process.kill(1, "before");
      this.world.resendsAllowed += IN_FLIGHT;
      this.#boot(index);
    });
  }

  #abortMultiparts(): void {
    const store = this.world.objects() as ReturnType<SimWorld["objects"]>;
    void (async () => {
      for await (const { key, multipartId } of store.listMultiparts({ bucket: BUCKET, prefix: "" })) {
        await store.abortMultipart({ bucket: BUCKET, key, multipartId });
      }
    })();
  }

  #write(path: string, bytes: Uint8Array, keepTime = false): void {
    this.world.produce(path, (at) => this.world.disk.write(at, bytes, keepTime));
  }

  async #pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; ) left -= await this.world.clock.tick(left);
  }

  async #until<T>(goal: Promise<T>, what: string): Promise<T> {
    let over = false;
    const watched = goal.finally(() => {
      over = true;
    });
    watched.catch(() => {});
    for (let passed = 0; !over; ) {
      this.#check(passed < LONGEST_MS, `${what}: nothing happened for ${LONGEST_MS / 3_600_000} hours`);
      passed += await this.world.clock.tick(60_000);
    }
    return await watched;
  }

  /** Errors with a code are answers; anything else is a fault of ours. */
  #expected(error: unknown): void {
    const injected = error instanceof Error && error.message.startsWith("made to");
    if (!(error instanceof BucketlineError) && !injected)
      this.world.broken ??= new Broken(`unexpected: ${String(error)}`, { cause: error });
  }

  #check(kept: boolean, message: string): void {
    if (!kept) throw new Broken(message);
  }
}

function bytesOf(size: number, fill: number): Uint8Array {
  // Neighbouring bytes differ, so that pieces in the wrong place show.
  return Uint8Array.from({ length: size }, (_, index) => 97 + ((fill + index) % 26));
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString("latin1");
}
