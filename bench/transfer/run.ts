import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Bed } from "./bed.ts";
import { BUCKETLINE } from "./clients.ts";
import type { Client, Job } from "./job.ts";
import { type Command, type Cost, measure } from "./measure.ts";
import { summarize, summaryText } from "./profile.ts";
import type { Run, TransferResult } from "./results.ts";
import type { Row, Subject } from "./rows.ts";
import type { Reading } from "./sink/protocol.ts";

const BUCKET = "bench";
const WARM_FILES = 20;
const WARM_BYTES = 4_096;
const told = (what: string) => process.stderr.write(`${what}\n`);

/** Runs the subjects of a row in turns, so that whatever else the machine does strikes all of them alike. */
export class RowRun {
  readonly #bed: Bed;
  readonly #row: Row;
  readonly #skipped: Record<string, string> = {};
  readonly #runs: Record<string, Run[]> = {};

  constructor(bed: Bed, row: Row) {
    this.#bed = bed;
    this.#row = row;
  }

  async measure(): Promise<TransferResult> {
    const { name, title, subjects, rounds } = this.#row;
    told(`\n${name}: ${title}`);
    const versions = this.#findClients();
    await this.#bed.sink.clear();
    await this.#prepare();
    for (let round = 1; round <= rounds; round++) {
      // There and back again: who comes first finds another machine than who comes last.
      const order = round % 2 === 1 ? subjects : subjects.toReversed();
      for (const subject of order) await this.#try(subject, round);
    }
    const { setup } = this.#bed;
    const dataPath = setup.dataPath ?? "default";
    const measured = { versions, runs: this.#runs, skipped: this.#skipped };
    return { kind: "transfer", row: this.#row, machine: this.#bed.machine, dataPath, ...measured };
  }

  /** One more run of Bucketline, which is not measured. @returns where its time went */
  async profile(folder: string): Promise<string> {
    const { name, subjects } = this.#row;
    const subject = subjects.find(({ client }) => client === BUCKETLINE);
    if (!subject) return "";
    const into = join(resolve(folder), name);
    rmSync(into, { recursive: true, force: true });
    const profiling = ["--cpu-prof", `--cpu-prof-dir=${into}`];
    await this.#once(subject, ({ program, args, ...rest }) => ({ program, args: [...profiling, ...args], ...rest }));
    await this.#bed.sink.clear();
    return `\n${name}, ${subject.label}\n${summaryText(summarize(into))}`;
  }

  #findClients(): Record<string, string> {
    const versions: Record<string, string> = {};
    for (const { label, client } of this.#row.subjects) {
      const version = this.#client(client).version();
      if (version === undefined) this.#skip(label, `${client} is not installed`);
      else versions[client] = version;
      if (this.#row.secure && this.#bed.sink.noTls !== undefined) this.#skip(label, this.#bed.sink.noTls);
    }
    return versions;
  }

  /** Lets every client compile and cache what it does; sends what is later looked at again. */
  async #prepare(): Promise<void> {
    const { again, bytesPerFile, subjects } = this.#row;
    for (const subject of subjects) {
      if (subject.label in this.#skipped) continue;
      const [files, bytes] = again ? [subject.files, bytesPerFile] : [WARM_FILES, WARM_BYTES];
      const job = {
        ...this.#job(subject, this.#bed.scratch(subject.label)),
        files,
        folder: this.#bed.tree(files, bytes),
      };
      try {
        await measure(this.#client(subject.client).command({ ...job, again: false }), this.#log(subject));
      } catch (error) {
        this.#fail(subject, error as Error);
      }
    }
  }

  async #try(subject: Subject, round: number): Promise<void> {
    if (subject.label in this.#skipped) return;
    try {
      const run = await this.#once(subject);
      this.#runs[subject.label] = [...(this.#runs[subject.label] ?? []), run];
      const figures = `${run.cpuSeconds.toFixed(2)} s CPU, ${run.wallSeconds.toFixed(2)} s, ${run.rssMiB.toFixed(0)} MiB`;
      told(`  round ${round}  ${subject.label.padEnd(28)} ${figures}`);
    } catch (error) {
      this.#fail(subject, error as Error);
    }
  }

  async #once(subject: Subject, adapt = (command: Command) => command): Promise<Run> {
    const { again, delayMs } = this.#row;
    const scratch = again ? join(this.#bed.folder, "scratch", slug(subject.label)) : this.#bed.scratch(subject.label);
    const job = this.#job(subject, scratch);
    const command = adapt(this.#client(subject.client).command(job));
    const { sink } = this.#bed;
    const { objects } = await sink.read();
    await sink.clear({ all: !again, delayMs });
    const cost: Cost = await measure(command, this.#log(subject));
    const reading = await sink.read();
    const wanted = { files: subject.files, bytes: subject.files * this.#row.bytesPerFile };
    const wrong = again ? sentAgain(reading, objects) : shortfall(reading, wanted);
    if (wrong !== undefined) throw new Error(wrong);
    return { ...cost, requests: reading.requests, sinkCpuSeconds: reading.cpuSeconds };
  }

  #job({ label, files, concurrency }: Subject, scratch: string): Job {
    const { again, secure, bytesPerFile } = this.#row;
    const { sink } = this.#bed;
    return {
      ...{ files, concurrency, scratch, again, bucket: BUCKET, prefix: slug(label) },
      folder: this.#bed.tree(files, bytesPerFile),
      endpoint: sink.endpoint(secure),
      caFile: secure ? sink.caFile : undefined,
    };
  }

  #client(name: string): Client {
    const client = this.#bed.clients.get(name);
    if (!client) throw new Error(`There is no client ${name}.`);
    return client;
  }

  #log({ label }: Subject): string {
    const folder = join(this.#bed.folder, "logs");
    if (!existsSync(folder)) mkdirSync(folder);
    return join(folder, `${slug(label)}.log`);
  }

  /** A peer that fails is left out; without Bucketline there is nothing to compare. */
  #fail({ label, client }: Subject, error: Error): void {
    if (client === BUCKETLINE) throw error;
    this.#skip(label, `failed: ${error.message.split("\n")[0]}`);
    told(error.message);
  }

  #skip(label: string, reason: string): void {
    this.#skipped[label] = reason;
    delete this.#runs[label];
    told(`  skipped: ${label}: ${reason}`);
  }
}

/** What is wrong with what arrived: a client that fails in silence is no fast client. */
export function shortfall(
  { objects, bytes }: Pick<Reading, "objects" | "bytes">,
  wanted: { readonly files: number; readonly bytes: number },
): string | undefined {
  if (objects === wanted.files && bytes === wanted.bytes) return undefined;
  const arrived = `${objects} of ${bytes} bytes arrived`;
  return `${arrived}, not ${wanted.files} objects of ${wanted.bytes} bytes together`;
}

/** What is wrong when nothing was to be sent. */
export function sentAgain(
  { bytesReceived, objects }: Pick<Reading, "bytesReceived" | "objects">,
  before: number,
): string | undefined {
  if (bytesReceived === 0 && objects === before) return undefined;
  return `${bytesReceived} bytes were sent again although nothing has changed; ${objects} objects, ${before} before`;
}

const slug = (label: string) => label.replaceAll(/[^A-Za-z0-9]+/g, "-");
