import { mkdirSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientConfig } from "@bucketline/s3-sandbox";
import { Dice } from "../support/random.ts";
import { Child } from "./child.ts";
import { failpoint, type Need } from "./failpoints.ts";
import { LivingFolder } from "./living-folder.ts";
import { RequestLog } from "./request-log.ts";
import { type HeaderNote, joinNotes, type Request, readSending } from "./requests.ts";
import type { Shot } from "./schedule.ts";
import { type Order, SANDBOX, type SandboxOrder, VICTIM } from "./trial.ts";

const CHUNK_SIZE = 64 * 1024;
const CONCURRENCY = 4;
const PART_CONCURRENCY = 2;
/** Most requests with a body that one process has in flight at one instant. */
export const IN_FLIGHT = CONCURRENCY * PART_CONCURRENCY;
/** Generous: reached only when the engine does not come by the failpoint at all. */
const PATIENCE_MS = 120_000;

/** Between two changes of a folder that rests until the upload is COMPLETED; some 2 s. */
const PAUSES_OF_CALM = 60;

/** What the victim is told; JSON in its first argument. */
export interface VictimOrder extends Order {
  /** Goes into the User-Agent of its requests. */
  readonly sender: string;
  readonly monitorInterval: number;
  readonly stabilityThreshold: number;
  readonly failpoint?: { readonly name: string; readonly nth: number };
  /** Whether to end when there is nothing left to do. */
  readonly rest: boolean;
}

/** One watched upload of one folder that keeps changing, and the processes that work on it and are killed. */
export class Series {
  readonly home: string;
  readonly folder: LivingFolder;
  /** Kills and changes, in order. */
  readonly story: string[];
  readonly #dice: Dice;
  readonly #sandbox: Child;
  readonly #order: Omit<VictimOrder, "sender" | "rest">;
  readonly #log: RequestLog;
  readonly #notes: RequestLog<HeaderNote>;
  #victim: Child | undefined;
  #started = 0;

  private constructor(home: string, sandbox: Child, client: ClientConfig, dice: Dice) {
    this.home = home;
    this.#sandbox = sandbox;
    this.#dice = dice;
    const source = join(home, "source");
    mkdirSync(source);
    this.folder = new LivingFolder(source, home, dice);
    this.story = this.folder.story;
    this.#log = new RequestLog(join(home, REQUEST_LOG));
    this.#notes = new RequestLog(join(home, HEADER_NOTES));
    this.#order = {
      uploadId: "series",
      folder: source,
      bucket: BUCKET,
      ledger: join(home, "ledger.db"),
      client,
      chunkSize: CHUNK_SIZE,
      concurrency: CONCURRENCY,
      partConcurrency: PART_CONCURRENCY,
      spool: null,
      monitorInterval: 150,
      stabilityThreshold: 50,
    };
  }

  static async open(seed: number): Promise<Series> {
    const home = mkdtempSync(join(tmpdir(), "bucketline-kills-"));
    const paths = { requestLog: join(home, REQUEST_LOG), headerNotes: join(home, HEADER_NOTES) };
    const order: SandboxOrder = { ...paths, bucket: BUCKET, minPartSize: CHUNK_SIZE };
    const sandbox = new Child(SANDBOX, [JSON.stringify(order)]);
    try {
      const client = JSON.parse(await sandbox.line("{")) as ClientConfig;
      return new Series(home, sandbox, client, new Dice(seed));
    } catch (error) {
      await sandbox.signal("SIGKILL");
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }

  get order(): Omit<VictimOrder, "sender" | "rest"> {
    return this.#order;
  }

  /**
   * Starts a process and has it killed so, with the folder changing all the time.
   * @throws Error when it ended otherwise, or never came by the failpoint
   */
  async kill(shot: Shot): Promise<void> {
    const what = shot.at === "failpoint" ? `${shot.name}, occurrence ${shot.nth}` : `${shot.at}, ${shot.afterMs} ms`;
    const needs = shot.at === "failpoint" ? failpoint(shot.name).point.needs : "small";
    if (this.#dice.chance(0.3)) this.folder.undo();
    for (let changes = this.#dice.int(0, 2); changes > 0; changes--) this.folder.change();
    if (needs !== "calm") this.folder.provoke(needs, this.#sending());
    const victim = this.#start(shot.at === "failpoint" ? { failpoint: shot, rest: false } : { rest: false });
    this.story.push(`-- process ${this.#started}, to be killed at: ${what}`);
    const over = new AbortController();
    const ended = victim.ended.finally(() => over.abort());
    const changing = needs === "calm" ? this.#changeSeldom(victim, over.signal) : this.#changeOften(needs, over.signal);
    if (shot.at !== "failpoint") await this.#killFromOutside(victim, shot);
    const deadline = sleep(PATIENCE_MS, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([ended, deadline]);
    const late = !over.signal.aborted;
    const { code, signal } = late ? await victim.signal("SIGKILL") : await ended;
    await changing;
    if (late) throw new Error(`The process never came by: ${what}. ${victim.errors}`);
    const atFailpoint = victim.lines.includes("failpoint");
    if (signal !== "SIGKILL" || atFailpoint !== (shot.at === "failpoint"))
      throw new Error(`The process ended with ${code ?? signal} before: ${what}. ${victim.errors}`);
  }

  /**
   * Leaves the folder alone and lets a process work until there is nothing to do.
   * @returns every request since the last rest
   */
  async rest(): Promise<Request[]> {
    this.story.push(`-- process ${this.#started + 1}, undisturbed`);
    const victim = this.#start({ rest: true });
    const over = new AbortController();
    const deadline = sleep(PATIENCE_MS, undefined, { signal: over.signal }).catch(() => {});
    await Promise.race([victim.ended, deadline]);
    over.abort();
    const { code, signal } = await victim.signal("SIGKILL");
    if (code !== 0) throw new Error(`The process did not finish (${code ?? signal}). ${victim.errors}`);
    return joinNotes(this.#log.take(), this.#notes.take());
  }

  /** Ends every process it started and removes its files. */
  async close(): Promise<void> {
    await Promise.all([this.#victim, this.#sandbox].map((child) => child?.signal("SIGKILL")));
    this.#log.close();
    this.#notes.close();
    await rm(this.home, { recursive: true, force: true });
  }

  #start(how: Pick<VictimOrder, "failpoint" | "rest">): Child {
    this.#started++;
    const order: VictimOrder = { ...this.#order, ...how, sender: `sender-${this.#started}` };
    this.#victim = new Child(VICTIM, [JSON.stringify(order)], join(this.home, "compiled"));
    return this.#victim;
  }

  async #killFromOutside(victim: Child, shot: Exclude<Shot, { at: "failpoint" }>): Promise<void> {
    await victim.line(shot.at === "recovery" ? "begun" : "started");
    await sleep(shot.afterMs);
    await victim.signal("SIGKILL");
  }

  /** Changes what is needed, and anything else, every few milliseconds. */
  async #changeOften(need: Need, over: AbortSignal): Promise<void> {
    while (await this.#pause(over)) {
      if (this.#dice.chance(0.5)) this.folder.provoke(need, this.#sending());
      else this.folder.change();
    }
  }

  /** Changes a file whenever the upload is COMPLETED, and now and then, as that may have been before we looked. */
  async #changeSeldom(victim: Child, over: AbortSignal): Promise<void> {
    let seen = -1;
    let idle = 0;
    do {
      const completed = victim.lines.filter((line) => line === "completed").length;
      if (completed === seen && ++idle < PAUSES_OF_CALM) continue;
      seen = completed;
      idle = 0;
      this.folder.provoke("calm", new Set());
    } while (await this.#pause(over));
  }

  /** @returns whether to go on */
  async #pause(over: AbortSignal): Promise<boolean> {
    await sleep(this.#dice.int(10, 60), undefined, { signal: over }).catch(() => {});
    return !over.aborted;
  }

  #sending(): Set<string> {
    this.#log.read();
    return readSending(this.#log.records);
  }
}

const BUCKET = "series";
const REQUEST_LOG = "requests.jsonl";
const HEADER_NOTES = "headers.jsonl";
