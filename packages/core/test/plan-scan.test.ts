import { expect, test } from "vitest";
import { Assessor, disbelief } from "../src/assess.ts";
import type { Checksum } from "../src/checksum.ts";
import { type FileRecord, newFile } from "../src/file.ts";
import { Forecast, type PlanItem } from "../src/forecast.ts";
import { KnownFiles } from "../src/known-files.ts";
import { type Belief, Merge } from "../src/merge.ts";
import { PlannedKeys } from "../src/planned-keys.ts";
import type { ScanEntry } from "../src/scanner.ts";
import { type Dice, forSeeds } from "./support/random.ts";
import { NOW, ReconcileBed, seen, skipped, unreadable } from "./support/reconcile-bed.ts";
import { facts } from "./support/records.ts";
import { inByteOrder } from "./support/trees.ts";

const NAMES = ["a", "a.b", "a/x", "a/x.b", "a/y", "b", "b/x", "b/x.b", "c", "d/x", "d/y/x", "e"];
const TEMPLATES = ["{id}/{path}", "{id}/{name}{ext}", "{name}"];
const REASONS = ["SOURCE_NOT_REGULAR", "FILE_FILTERED", "KEY_COLLISION", "OBJECT_EXISTS"] as const;

function randomRecord(dice: Dice, path: string, key: string): FileRecord {
  const known = facts(dice.int(2, 3), dice.int(1, 2));
  const record = newFile({ uploadId: "u", path, key, ...known }, 1);
  const state = dice.pick(["PENDING", "IN_PROGRESS", "UPLOADED", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"] as const);
  const { size, fingerprint } = dice.chance(0.5) ? known : facts(dice.int(2, 3), dice.int(1, 2));
  const checksum: Checksum = "crc32:00000000";
  const evidence = { key, size, fingerprint, etag: "e", versionId: null, checksum, uploadedAt: 1 };
  const pinned = { fingerprint: known.fingerprint, partSize: 1, multipartId: "m" };
  const transfer = { token: "t", key, ...pinned, startedAt: 1 };
  const mayHaveTransfer = state === "PENDING" || state === "FAILED";
  const withReason = state === "SKIPPED" || state === "FAILED";
  return {
    ...record,
    state,
    key: state === "SKIPPED" || state === "REMOVED" ? "" : key,
    evidence: state === "UPLOADED" || dice.chance(0.4) ? evidence : null,
    transfer: mayHaveTransfer && dice.chance(0.3) ? transfer : null,
    nextAttemptAt: dice.chance(0.5) && mayHaveTransfer ? NOW + dice.int(-9, 9) : 0,
    owner: state === "IN_PROGRESS" ? "w" : null,
    reason: withReason ? { code: dice.pick(REASONS), message: "m" } : null,
  };
}

function randomScan(dice: Dice): ScanEntry[] {
  const entries: ScanEntry[] = [];
  let unread: string | undefined;
  const paths = NAMES.filter(() => dice.chance(0.6));
  for (const path of inByteOrder([...paths, ...["a/", "b/", "d/"].filter(() => dice.chance(0.1))])) {
    if (unread?.endsWith("/") && path.startsWith(unread)) continue;
    if (path.endsWith("/") || dice.chance(0.05)) {
      unread = path;
      entries.push(unreadable(path));
    } else entries.push(dice.chance(0.2) ? skipped(path) : seen(path, dice.int(1, 2), dice.int(2, 3)));
  }
  return entries;
}

async function* inBatches(entries: readonly ScanEntry[], size: number) {
  for (let start = 0; start < entries.length; start += size) yield entries.slice(start, start + size);
}

async function plan(bed: ReconcileBed, entries: readonly ScanEntry[], belief: Belief, batch: number) {
  const { memory, upload } = bed;
  const clock = { now: () => NOW };
  const assessor = new Assessor({ upload, clock, stability: { threshold: 0, maxUnstableAge: null } });
  const forecast = new Forecast({ upload, assessor, keys: new PlannedKeys(memory, "u"), clock });
  const merge = new Merge(new KnownFiles(memory, "u"), belief);
  const items: PlanItem[] = [];
  for await (const meetings of merge.meetings(inBatches(entries, batch))) {
    for (const meeting of meetings) {
      const foreseen = await forecast.foresee(meeting);
      if (foreseen) items.push(foreseen.item);
    }
  }
  return { items, seen: merge.seen, complete: merge.complete, doubt: merge.doubt };
}

const EVERYTHING = [
  ...["new", "changed", "back", "wanted", "queued"].map((cause) => `upload ${cause}`),
  ...["changed", "back", "wanted", "queued"].flatMap((cause) => [`replace ${cause}`, `compare ${cause}`]),
  ...["gone", "inFlight", "unseen", "unwanted"].map((cause) => `settle ${cause}`),
  ...["delete gone", "failed failed", "remove gone", "skip unwanted", "unchanged same", "unreadable unreadable"],
];
const QUEUES = ["new", "changed", "back", "wanted"];

/** What a scan must make of the file's record when the plan says this. */
function expectRecord(item: PlanItem | undefined, before: FileRecord | undefined, after: FileRecord | undefined): void {
  if (item && QUEUES.includes(item.cause) && item.action !== "skip") {
    expect(after).toMatchObject({ state: "PENDING", key: item.key, size: item.size });
    return expect(after?.revision).toBe((before?.revision ?? 0) + 1);
  }
  if (item?.action === "skip" && before?.state !== "PENDING" && item.reason?.code !== "OBJECT_EXISTS") {
    return expect(after).toMatchObject({ state: "SKIPPED", reason: { code: item.reason?.code } });
  }
  if (item?.action === "delete" || item?.action === "remove") return expect(after?.state).toBe("REMOVED");
  if (item?.action === "settle") return expect(["PENDING", "IN_PROGRESS"]).toContain(after?.state);
  if (item?.action === "skip" && after?.state === "SKIPPED") return expect(after.reason?.code).toBe(item.reason?.code);
  expect(after).toEqual(before);
}

const DOUBT = { code: "SOURCE_DOUBTFUL", message: "m" } as const;

test.each([
  [{}, null],
  [{ seen: 0 }, "SOURCE_DOUBTFUL"],
  [{ seen: 0, trusted: true }, null],
  [{ sameDevice: false }, "SOURCE_DOUBTFUL"],
  [{ sameDevice: false, trusted: true }, null],
  [{ complete: false, trusted: true }, "SOURCE_NOT_READABLE"],
  [{ doubt: DOUBT, complete: false }, "SOURCE_DOUBTFUL"],
])("absence after a scan with %o: %s", (view, code) => {
  const whole = { complete: true, seen: 1, doubt: null, sameDevice: true, trusted: false };
  expect(disbelief({ ...whole, ...view })?.code ?? null).toBe(code);
});

test("a plan says what a scan writes, whatever it meets", async () => {
  const said = new Set<string>();
  await forSeeds(600, async (dice) => {
    const bed = await new ReconcileBed().open({
      keyTemplate: dice.pick(TEMPLATES),
      onSourceDelete: dice.pick(["keep", "delete"]),
      maxSize: dice.chance(0.3) ? 2 : null,
    });
    const keys = new Set<string>();
    const assessor = new Assessor({
      upload: bed.upload,
      clock: bed.clock,
      stability: { threshold: 0, maxUnstableAge: null },
    });
    const records = NAMES.filter(() => dice.chance(dice.pick([0.1, 0.6]))).flatMap((path) => {
      const key = assessor.template.key(path, 0n);
      const isFree = !keys.has(key);
      keys.add(key);
      return isFree ? [randomRecord(dice, path, key)] : [];
    });
    await bed.memory.commit(records.map((after) => ({ before: null, after })));
    const entries = dice.chance(0.1) ? [] : randomScan(dice);
    const belief = { sameDevice: dice.chance(0.8), trusted: dice.chance(0.2) };
    const { items, ...foreseen } = await plan(bed, entries, belief, dice.int(1, 5));
    expect(await bed.files()).toEqual(
      inByteOrder(records.map(({ path }) => path)).map((path) => records.find((r) => r.path === path)),
    );
    const { seen: count, complete, doubt } = await bed.scan(entries, { ...belief, batch: dice.int(1, 5) });
    expect(foreseen).toEqual({ seen: count, complete, doubt });
    expect(items.map(({ path }) => path)).toEqual(inByteOrder([...new Set(items.map(({ path }) => path))]));
    const after = new Map((await bed.files()).map((record) => [record.path, record]));
    for (const path of NAMES) {
      const item = items.find((one) => one.path === path);
      const before = records.find((record) => record.path === path);
      if (item) said.add(`${item.action} ${item.cause}`);
      try {
        expectRecord(item, before, after.get(path));
      } catch (cause) {
        throw new Error(`${path}: ${JSON.stringify({ item, before, after: after.get(path) }, replaceBigInt)}`, {
          cause,
        });
      }
    }
  });
  expect([...said].sort()).toEqual(expect.arrayContaining(EVERYTHING));
});

function replaceBigInt(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
