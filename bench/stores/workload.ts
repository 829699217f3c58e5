import type { FileRecord, StateStore } from "@bucketline/core";
import type { Meter } from "./meter.ts";
import { claimed, factsAt, newRow, pathAt, startedUpload, UPLOAD_ID, uploaded } from "./rows.ts";

export const PHASES = ["insert", "claim+complete", "rescan"] as const;
export type Phase = (typeof PHASES)[number];

/** The engine's own numbers: the largest group commit (ledger.ts), a claim (orchestrator.ts), a page (known-files.ts). */
export const COMMIT_BATCH = 256;
export const CLAIM_BATCH = 32;
export const PAGE = 1_000;

const OWNER = "bench";
const LEASE_MS = 3_600_000;

/** What is measured. Each phase throws when the rows do not end up as they should. */
export interface Subject {
  readonly run: Readonly<Record<Phase, (rows: number, meter: Meter) => Promise<void>>>;
  close(): Promise<void>;
}

/** Does to a store what the engine does to it in the life of `rows` small files. */
export async function storeSubject(store: StateStore): Promise<Subject> {
  await store.open();
  await store.insertUpload(startedUpload());
  await store.heartbeat(OWNER, LEASE_MS);
  return {
    run: {
      insert: (rows, meter) => insert(store, rows, meter),
      "claim+complete": (rows, meter) => claimAndComplete(store, rows, meter),
      rescan: (rows, meter) => rescan(store, rows, meter),
    },
    close: () => store.close(),
  };
}

async function insert(store: StateStore, rows: number, meter: Meter): Promise<void> {
  for (let start = 0; start < rows; start += COMMIT_BATCH) {
    const length = Math.min(COMMIT_BATCH, rows - start);
    const changes = Array.from({ length }, (_, offset) => ({ before: null, after: newRow(start + offset) }));
    const outcomes = await meter.time(() => store.commit(changes));
    if (outcomes.some((outcome) => outcome !== "applied")) throw new Error(`A new row at ${start} was not applied.`);
  }
}

async function claimAndComplete(store: StateStore, rows: number, meter: Meter): Promise<void> {
  const request = {
    uploadId: UPLOAD_ID,
    uploadState: "IN_PROGRESS",
    limit: CLAIM_BATCH,
    now: Date.now(),
    horizon: Date.now() + LEASE_MS,
    take: (file: FileRecord) => claimed(file, OWNER),
  } as const;
  for (let done = 0; done < rows; ) {
    const held: FileRecord[] = [];
    while (held.length < Math.min(COMMIT_BATCH, rows - done)) {
      const taken = await meter.time(() => store.claim(request));
      if (taken.length === 0) throw new Error(`Only ${done + held.length} of ${rows} rows could be claimed.`);
      held.push(...taken);
    }
    const changes = held.map((before) => ({ before, after: uploaded(before) }));
    const outcomes = await meter.time(() => store.commit(changes));
    if (outcomes.some((outcome) => outcome !== "applied")) throw new Error("A claimed row was overtaken.");
    done += held.length;
  }
  const { UPLOADED } = await store.counters(UPLOAD_ID);
  if (UPLOADED.files !== rows) throw new Error(`The store counts ${UPLOADED.files} uploaded files instead of ${rows}.`);
}

async function rescan(store: StateStore, rows: number, meter: Meter): Promise<void> {
  let index = 0;
  for (let after: string | undefined; ; ) {
    const page = await meter.time(() => store.listFiles(UPLOAD_ID, { after, limit: PAGE }));
    for (const { path, fingerprint } of page) expectRow(index++, path, fingerprint);
    after = page.at(-1)?.path;
    if (page.length < PAGE) break;
  }
  expectRows(index, rows);
}

export function expectRow(index: number, path: string, fingerprint: string): void {
  if (path === pathAt(index) && fingerprint === factsAt(index).fingerprint) return;
  throw new Error(`Row ${index} came back as ${path} with ${fingerprint}.`);
}

export function expectRows(found: number, rows: number): void {
  if (found !== rows) throw new Error(`${found} rows were listed instead of ${rows}.`);
}
