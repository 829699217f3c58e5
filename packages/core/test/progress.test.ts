import { describe, expect, test } from "vitest";
import { FILE_STATES, type FileState } from "../src/file.ts";
import type { Counters } from "../src/ports/state-store.ts";
import { ProgressMeter, summarize } from "../src/progress.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { UPLOAD_STATES } from "../src/upload.ts";
import { forSeeds } from "./support/random.ts";
import { file, upload } from "./support/records.ts";

function counters(counts: Partial<Record<FileState, readonly [files: number, bytes: number]>> = {}): Counters {
  const entries = FILE_STATES.map((state) => [
    state,
    { files: counts[state]?.[0] ?? 0, bytes: counts[state]?.[1] ?? 0 },
  ]);
  return Object.fromEntries(entries) as Counters;
}

const scanned = {
  ...upload(),
  state: "IN_PROGRESS",
  lastScan: {
    startedAt: 0,
    finishedAt: 0,
    seen: 1,
    added: 1,
    changed: 0,
    removed: 0,
    skipped: 0,
    complete: true,
    unstable: 0,
    device: "1",
    doubt: null,
  },
} as const;

describe("summarize", () => {
  test("skipped and removed files count neither as done nor as to do", () => {
    const counts = counters({
      PENDING: [2, 20],
      IN_PROGRESS: [1, 10],
      UPLOADED: [3, 30],
      FAILED: [4, 40],
      SKIPPED: [5, 50],
      REMOVED: [6, 60],
    });
    expect(summarize(scanned, counts, 5, 7.4)).toEqual({
      uploadId: "u",
      state: "IN_PROGRESS",
      filesTotal: 10,
      filesUploaded: 3,
      filesFailed: 4,
      filesSkipped: 5,
      filesPending: 3,
      bytesTotal: 100,
      bytesUploaded: 35,
      fraction: 0.35,
      rate: 7,
      etaSeconds: 4,
    });
  });

  test.each([
    ["nothing known yet", "PENDING", {}, 0],
    ["an empty folder, completed", "COMPLETED", {}, 1],
    ["all uploaded", "IN_PROGRESS", { UPLOADED: [2, 9] }, 1],
    ["all bytes but an empty file", "IN_PROGRESS", { UPLOADED: [2, 9], PENDING: [1, 0] }, 0.999],
    ["empty files only", "IN_PROGRESS", { UPLOADED: [1, 0], PENDING: [3, 0] }, 0.25],
    ["completed, and a new file has come", "COMPLETED", { UPLOADED: [1, 50], PENDING: [1, 50] }, 0.5],
    ["one failed", "FAILED", { UPLOADED: [1, 50], FAILED: [1, 50] }, 0.5],
  ] as const)("fraction of %s", (_, state, counts, fraction) => {
    expect(summarize({ ...scanned, state }, counters(counts), 0, 0).fraction).toBe(fraction);
  });

  test("the remaining time is unknown before the first scan and while nothing moves", () => {
    expect(summarize(upload(), counters(), 0, 0).etaSeconds).toBeNull();
    expect(summarize(scanned, counters({ PENDING: [1, 5] }), 0, 0).etaSeconds).toBeNull();
    expect(summarize(scanned, counters({ UPLOADED: [1, 5] }), 0, 9).etaSeconds).toBe(0);
  });

  test("whatever the figures, nothing is negative and 1 means that no file is missing", async () => {
    await forSeeds(1_000, (dice) => {
      const counts = Object.fromEntries(
        FILE_STATES.map((state) => {
          const files = dice.chance(0.5) ? 0 : dice.int(1, 5);
          return [state, [files, files === 0 ? 0 : dice.pick([0, 1, 1e15])]];
        }),
      ) as Record<FileState, [number, number]>;
      const state = dice.pick(UPLOAD_STATES);
      const progress = summarize(
        { ...scanned, state },
        counters(counts),
        dice.pick([0, 1, 2e15]),
        dice.pick([0, 0.5, 1e9]),
      );
      for (const figure of Object.values(progress))
        if (typeof figure === "number") expect(figure).toBeGreaterThanOrEqual(0);
      expect(progress.bytesUploaded).toBeLessThanOrEqual(progress.bytesTotal);
      expect(progress.fraction).toBeLessThanOrEqual(1);
      if (progress.fraction === 1) expect(progress.filesUploaded).toBe(progress.filesTotal);
      expect(Number.isFinite(progress.etaSeconds ?? 0)).toBe(true);
    });
  });
});

describe("ProgressMeter", () => {
  function setUp() {
    const clock = new FakeClock();
    return { clock, meter: new ProgressMeter(clock) };
  }
  const rate = (meter: ProgressMeter) => meter.progress(scanned, counters()).rate;

  test("bytes in flight count until the file leaves", () => {
    const { meter } = setUp();
    const counts = counters({ IN_PROGRESS: [2, 100] });
    meter.advance(file(), 30, 30);
    meter.advance(file(), 40, 10);
    meter.advance(file({ path: "b" }), 5, 5);
    expect(meter.progress(scanned, counts).bytesUploaded).toBe(45);
    meter.leave(file());
    expect(meter.progress(scanned, counts).bytesUploaded).toBe(5);
    meter.forgetIdle("u");
    expect(meter.progress(scanned, counts).bytesUploaded).toBe(5);
    meter.leave(file({ path: "b" }));
    expect(meter.progress(scanned, counts).bytesUploaded).toBe(0);
  });

  test("the rate is what was sent per second, not what was found finished", async () => {
    const { clock, meter } = setUp();
    meter.advance(file(), 1_000_000, 2_000);
    await clock.advance(1_000);
    expect(meter.takeDirty()).toEqual(["u"]);
    expect(rate(meter)).toBe(2_000);
  });

  test("the rate falls to 0 when nothing is sent any more, and then the upload is quiet", async () => {
    const { clock, meter } = setUp();
    meter.advance(file(), 1, 1e9);
    let last = Number.POSITIVE_INFINITY;
    let turns = 0;
    for (; turns < 1_000; turns++) {
      await clock.advance(500);
      if (meter.takeDirty().length === 0) break;
      expect(rate(meter)).toBeLessThanOrEqual(last);
      last = rate(meter);
    }
    expect(turns).toBeLessThan(300);
    expect(rate(meter)).toBe(0);
  });

  test("two looks at the same moment lose nothing", async () => {
    const { clock, meter } = setUp();
    meter.advance(file(), 1, 100);
    meter.takeDirty();
    await clock.advance(1_000);
    meter.leave(file());
    meter.takeDirty();
    expect(rate(meter)).toBe(100);
  });

  test("only what changed is dirty", () => {
    const { meter } = setUp();
    meter.leave(file({ uploadId: "a" }));
    meter.leave(file({ uploadId: "b" }));
    expect(meter.takeDirty()).toEqual(["a", "b"]);
    meter.leave(file({ uploadId: "b" }));
    expect(meter.takeDirty()).toEqual(["b"]);
    expect(meter.takeDirty()).toEqual([]);
  });
});
