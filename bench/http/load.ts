import { mkdtemp, open, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { answer } from "./child.ts";

export interface LoadTask {
  /** Where the disk is asked how long it takes. */
  readonly base: string;
  readonly url: string;
  readonly token: string;
  readonly rate: number;
  readonly seconds: number;
  /** The upload that runs. */
  readonly running: string;
  /** Of the creations that conflict. */
  readonly folder: string;
  readonly bucket: string;
}

export interface LoadResult {
  /** Milliseconds from when a request was due to the end of its answer, ascending. */
  readonly latencies: Readonly<Record<Kind, readonly number[]>>;
  /** Answers that were not what they should be, by status. */
  readonly unexpected: Readonly<Record<string, number>>;
  /** How late requests were sent, in milliseconds: what the generator itself adds to the latencies. */
  readonly lateness: readonly number[];
  /** How long the disk took for 4 KiB meanwhile, in milliseconds, ascending: the least that a commit of the ledger costs. */
  readonly syncs: readonly number[];
}

const KINDS = ["list", "get", "files", "create"] as const;
export type Kind = (typeof KINDS)[number];

const SYNC_EVERY_MS = 100;

/** Of ten requests. */
const MIX: readonly Kind[] = ["get", "list", "get", "files", "get", "list", "create", "get", "list", "files"];
const EXPECTED: Readonly<Record<Kind, number>> = { list: 200, get: 200, files: 200, create: 409 };
const STATES = ["", "&state=PENDING", "&state=UPLOADED", "&state=FAILED,SKIPPED"];

/**
 * Requests are due at fixed times, whether or not earlier ones have been answered, and latencies count from then: a service
 * that stands still for a second is charged with all that came meanwhile (coordinated omission).
 */
class Load {
  readonly #task: LoadTask;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  readonly #latencies: Record<Kind, number[]> = { list: [], get: [], files: [], create: [] };
  readonly #unexpected: Record<string, number> = {};
  readonly #lateness: number[] = [];

  constructor(task: LoadTask) {
    this.#task = task;
  }

  async run(): Promise<LoadResult> {
    const { base, rate, seconds } = this.#task;
    const begun = performance.now();
    const pending: Promise<void>[] = [];
    const disk = watchDisk(base, seconds * 1000);
    for (let count = 0; count < rate * seconds; count++) {
      const due = begun + (count * 1000) / rate;
      const wait = due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      this.#lateness.push(performance.now() - due);
      pending.push(this.#send(MIX[count % MIX.length] ?? "get", count, due));
    }
    await Promise.all(pending);
    this.#agent.destroy();
    for (const kind of KINDS) this.#latencies[kind].sort((a, b) => a - b);
    this.#lateness.sort((a, b) => a - b);
    return {
      latencies: this.#latencies,
      unexpected: this.#unexpected,
      lateness: this.#lateness,
      syncs: await disk,
    };
  }

  async #send(kind: Kind, count: number, due: number): Promise<void> {
    const status = await this.#status(kind, count);
    this.#latencies[kind].push(performance.now() - due);
    if (status !== EXPECTED[kind])
      this.#unexpected[`${kind} ${status}`] = (this.#unexpected[`${kind} ${status}`] ?? 0) + 1;
  }

  #status(kind: Kind, count: number): Promise<number | string> {
    const { url, token, running, folder, bucket } = this.#task;
    const paths: Readonly<Record<Kind, string>> = {
      list: "/api/v1/uploads?limit=50",
      get: `/api/v1/uploads/${running}`,
      files: `/api/v1/uploads/${running}/files?limit=100${STATES[count % STATES.length]}`,
      create: "/api/v1/uploads",
    };
    const body =
      kind === "create"
        ? JSON.stringify({
            upload_id: "other-0000",
            source_folder: folder,
            destination_bucket: bucket,
            pattern: "*.txt",
          })
        : undefined;
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    return new Promise((resolve) => {
      const sent = request(new URL(paths[kind], url), { method: body ? "POST" : "GET", headers, agent: this.#agent });
      sent.on("error", (error) => resolve(error.message));
      sent.on("response", (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      sent.end(body);
    });
  }
}

/** Writes and syncs a little again and again. @returns how long that took each time, ascending */
async function watchDisk(base: string, duration: number): Promise<readonly number[]> {
  const folder = await mkdtemp(join(base, "bucketline-http-bench-"));
  const times: number[] = [];
  try {
    const file = await open(join(folder, "synced"), "w");
    for (const end = performance.now() + duration; performance.now() < end; await sleep(SYNC_EVERY_MS)) {
      const begun = performance.now();
      await file.write(Buffer.alloc(4096), 0, 4096, 0);
      await file.datasync();
      times.push(performance.now() - begun);
    }
    await file.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return times.sort((a, b) => a - b);
}

const answers = {
  run: (task: LoadTask): Promise<LoadResult> => new Load(task).run(),
};

export type LoadAnswers = typeof answers;

answer(answers);
