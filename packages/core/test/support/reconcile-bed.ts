import type { FileRecord } from "../../src/file.ts";
import { reduceFile } from "../../src/file.ts";
import { Ledger } from "../../src/ledger.ts";
import type { StateStore } from "../../src/ports/state-store.ts";
import { reconcile } from "../../src/reconcile.ts";
import type { ScanEntry } from "../../src/scanner.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { faulty } from "../../src/testing/faulty.ts";
import { MemoryStateStore } from "../../src/testing/memory-state-store.ts";
import type { UploadRecord, UploadSpec } from "../../src/upload.ts";
import { facts, Heard, upload } from "./records.ts";

export const NOW = 1_000_000;
export const seen = (path: string, version = 1, size = 10): ScanEntry => ({
  kind: "file",
  path,
  facts: facts(size, version),
});
export const skipped = (path: string): ScanEntry => ({
  kind: "skipped",
  path,
  reason: { code: "SOURCE_NOT_REGULAR", message: "A FIFO." },
});
export const unreadable = (path: string): ScanEntry => ({
  kind: "unreadable",
  path,
  reason: { code: "SOURCE_NOT_READABLE", message: "EIO" },
});

async function* batches(entries: readonly ScanEntry[], size: number): AsyncGenerator<readonly ScanEntry[]> {
  for (let start = 0; start < entries.length; start += size) yield entries.slice(start, start + size);
}

interface ScanConditions {
  readonly batch: number;
  readonly stabilityThreshold: number;
  readonly maxUnstableAge: number | null;
  readonly now: number;
  readonly sameDevice: boolean;
  readonly trusted: boolean;
}

/** A ledger in memory and what a scan does to it. */
export class ReconcileBed {
  readonly clock = new FakeClock(NOW);
  readonly memory = new MemoryStateStore({ clock: this.clock });
  readonly #store = faulty<StateStore>(this.memory);
  readonly commits = this.#store.inject({ method: "commit", times: 0, before: new Error("never") });
  readonly inject = this.#store.inject;
  readonly ledger = new Ledger({
    state: this.#store.port,
    clock: this.clock,
    signal: new AbortController().signal,
    onTrouble: () => {},
  });
  upload: UploadRecord = upload();
  heard = new Heard();
  /** Files queued at each call for work. */
  rang: number[] = [];

  async open(spec: Partial<UploadSpec> = {}): Promise<this> {
    this.upload = upload(spec);
    await this.memory.open();
    await this.memory.insertUpload(this.upload);
    return this;
  }

  async scan(entries: readonly ScanEntry[], conditions: Partial<ScanConditions> = {}) {
    const { batch = 256, stabilityThreshold = 0, maxUnstableAge = null, now = NOW } = conditions;
    const { sameDevice = true, trusted = false } = conditions;
    this.heard = new Heard();
    const { emit } = this.heard;
    const onWork = async () => {
      this.rang.push((await this.memory.counters("u")).PENDING.files);
    };
    let over = false;
    const options = {
      state: this.#store.port,
      ledger: this.ledger,
      emit,
      upload: this.upload,
      clock: { now: () => now },
      stability: { threshold: stabilityThreshold, maxUnstableAge },
      sameDevice,
      trusted,
      onWork,
    };
    const found = reconcile(batches(entries, batch), options).finally(() => {
      over = true;
    });
    found.catch(() => {});
    for (let turn = 0; !over && turn < 10_000; turn++) await this.clock.advance(5);
    return await found;
  }

  async files(): Promise<FileRecord[]> {
    return await this.memory.listFiles("u", { limit: 1e6 });
  }

  /** `path state` of all. */
  async states(): Promise<string[]> {
    return (await this.files()).map(({ path, state }) => `${path} ${state}`);
  }

  async file(path: string): Promise<FileRecord> {
    return (await this.memory.getFile("u", path)) as FileRecord;
  }

  /** Puts a file into a state, as a worker would. */
  async move(path: string, state: "UPLOADED" | "FAILED" | "IN_PROGRESS"): Promise<void> {
    const before = await this.file(path);
    const claimed = reduceFile(before, { type: "claim", owner: "w" }, NOW);
    const evidence = {
      key: before.key,
      size: before.size,
      etag: "e",
      versionId: null,
      checksum: "crc32:00000000",
      fingerprint: before.fingerprint,
      uploadedAt: NOW,
    } as const;
    const reason = { code: "INTEGRITY", message: "m" } as const;
    const done =
      state === "UPLOADED"
        ? reduceFile(claimed, { type: "uploaded", evidence, facts: before }, NOW)
        : reduceFile(claimed, { type: "fail", reason, nextAttemptAt: NOW + 9 }, NOW);
    await this.memory.commit([{ before, after: state === "IN_PROGRESS" ? claimed : done }]);
  }

  async uploadAll(): Promise<void> {
    for (const { path, state } of await this.files()) if (state === "PENDING") await this.move(path, "UPLOADED");
  }
}
