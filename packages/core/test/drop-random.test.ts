import { describe, expect, test } from "vitest";
import { type ObjectErrorKind, type ObjectStore, ObjectStoreError, type RegisterOptions } from "../src/index.ts";
import type { FaultRule, InjectedFault } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { filesIn, listing } from "./support/drop-bed.ts";
import { Dice } from "./support/random.ts";

const SEEDS = 60;
const PATHS = ["a", "b.txt", "x/a", "x/y/c"] as const;
const ROUNDS_AT_MOST = 20;

const KINDS: Readonly<Record<string, Partial<RegisterOptions>>> = {
  drop: { drop: {} },
  delete: { afterUpload: "delete" },
  move: { afterUpload: { moveTo: "/archive" } },
};

/** One life of a folder whose files are taken away: producers, a store that fails, and a service that is killed. */
class Life {
  readonly world = new World();
  readonly #dice: Dice;
  readonly #kind: string;
  readonly #expected = new Map<string, string>();
  readonly #faults: InjectedFault[] = [];
  readonly story: string[] = [];
  #process: Process;
  #written = 0;

  constructor(kind: string, seed: number) {
    this.#kind = kind;
    this.#dice = new Dice(seed);
    this.world.volume.mkdirSync("/archive");
    this.world.volume.unlinkSync(`${SOURCE}/.keep`);
    this.#process = this.#boot();
  }

  async live(): Promise<void> {
    for (let steps = this.#dice.int(5, 20); steps > 0; steps--) {
      this.#happen();
      await this.world.clock.advance(this.#dice.pick([0, 1, 50, 300, 3_000, 7_000, 70_000]));
      if (this.#process.dead) this.#process = this.#boot();
    }
  }

  /** A last process that nobody disturbs has to put everything in order. */
  async heal(): Promise<void> {
    for (const fault of this.#faults) fault.remove();
    this.#process.kill();
    this.#process = this.#boot();
    const { service } = this.#process;
    for (let round = 0; round < ROUNDS_AT_MOST; round++) {
      await this.world.clock.advance(35_000);
      await this.world.until(service.retry("u"));
      await this.world.until(service.check("u"));
      if (this.behind().length === 0) break;
    }
    await this.world.until(service.finished("u"));
  }

  /** What the bucket does not hold as it was last written, and what was not taken away. */
  behind(): string[] {
    const bucket = this.world.bucket();
    const late = [...this.#expected].filter(([path, content]) => bucket[`u/${path}`] !== content);
    return [...late.map(([path]) => `u/${path}`), ...this.#left()];
  }

  check(): void {
    const told = this.story.join("\n");
    expect(this.behind(), told).toEqual([]);
    expect(this.world.multiparts(), told).toBe(0);
    const folder = { drop: `${SOURCE}/done`, move: "/archive" }[this.#kind];
    const kept = folder && Object.values(filesIn(this.world, folder));
    const records = new Map(this.world.files().map((file) => [file.path, file]));
    for (const [path, content] of this.#expected) {
      expect(records.get(path), told).toMatchObject({ state: "UPLOADED", owner: null, transfer: null });
      expect(records.get(path)?.evidence?.size, told).toBe(content.length);
      if (kept) expect(kept, told).toContain(content);
    }
  }

  #left(): string[] {
    if (this.#kind !== "drop") return Object.keys(filesIn(this.world, SOURCE));
    const { incoming, working } = listing(this.world);
    return [...Object.keys(incoming), ...Object.keys(working)];
  }

  #boot(): Process {
    const options = { concurrency: 2, stabilityThreshold: 2_000, monitorInterval: 10_000, host: "here" };
    const process = this.world.boot({ ...options, retry: { attempts: 3, baseMs: 100, capMs: 1_000 } });
    const begin = async () => {
      await process.service.start();
      const wanted = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, ...KINDS[this.#kind] };
      await process.service.register(wanted);
    };
    begin().catch(() => {});
    return process;
  }

  #happen(): void {
    const dice = this.#dice;
    const what = dice.next();
    if (what < 0.4) return this.#write(dice.pick(PATHS));
    if (what < 0.7) {
      const calls = this.#process.killAtCall(Number.POSITIVE_INFINITY, "before");
      const [nth, when] = [dice.int(1, 60), dice.pick(["before", "after"] as const)];
      this.story.push(`killed ${when} the ${nth}th call from then`);
      this.#process.killAtCall(calls() + nth, when);
    } else if (what < 0.9) {
      const kind = dice.pick<ObjectErrorKind>(["rejected", "transient", "integrity", "throttled"]);
      const method = dice.pick(["putObject", "uploadPart", "completeMultipart"] as const);
      this.story.push(`${method}: ${kind}`);
      const error = () => new ObjectStoreError({ kind, operation: method, bucket: BUCKET }, "made to");
      this.#faults.push(
        this.#process.objects.inject({ method, times: dice.int(1, 3), before: error } as FaultRule<ObjectStore>),
      );
    } else {
      const call = dice.pick(["check", "retry"] as const);
      this.story.push(call);
      void this.#process.service[call]("u").catch(() => {});
    }
  }

  #write(path: string): void {
    const content = `${path} ${++this.#written} `.padEnd(this.#dice.int(8, 40), ".");
    this.story.push(`${path} written: ${content}`);
    this.#expected.set(path, content);
    const place = `${SOURCE}/${this.#kind === "drop" ? "incoming/" : ""}${path}`;
    this.world.volume.mkdirSync(place.slice(0, place.lastIndexOf("/")), { recursive: true });
    // Put in place in one step, as a producer should.
    this.world.volume.writeFileSync("/new", content);
    this.world.volume.renameSync("/new", place);
    const now = this.world.clock.now() / 1000;
    this.world.volume.utimesSync(place, now, now);
  }
}

describe.each(Object.keys(KINDS))("%s: whatever happens, every file arrives and is put away once", (kind) => {
  test("with random kills and faults", { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const life = new Life(kind, seed);
      life.story.push(`seed ${seed}`);
      await life.live();
      await life.heal();
      life.check();
      await life.world.end();
    }
  });
});
