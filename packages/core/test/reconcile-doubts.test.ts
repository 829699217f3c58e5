import { beforeEach, describe, expect, test } from "vitest";
import type { ScanEntry } from "../src/scanner.ts";
import { NOW, ReconcileBed, seen } from "./support/reconcile-bed.ts";

let bed: ReconcileBed;
beforeEach(async () => {
  bed = await new ReconcileBed().open();
});

describe("a folder that may not be the right one", () => {
  beforeEach(async () => {
    await bed.scan([seen("a"), seen("b")]);
    for (const path of ["a", "b"]) {
      const before = await bed.file(path);
      await bed.memory.commit([{ before, after: { ...before, state: "UPLOADED", revision: 2 } }]);
    }
  });

  test("on another device: what it lacks stays, what it has counts", async () => {
    const found = await bed.scan([seen("a", 2), seen("c")], { sameDevice: false });
    expect(found).toMatchObject({ added: 1, changed: 1, removed: 0, doubt: { code: "SOURCE_DOUBTFUL" } });
    expect(await bed.states()).toEqual(["a PENDING", "b UPLOADED", "c PENDING"]);
  });

  test("on another device and whole: no doubt", async () => {
    expect(await bed.scan([seen("a"), seen("b")], { sameDevice: false })).toMatchObject({ doubt: null });
  });

  test("what was gone before does not make another device doubtful", async () => {
    await bed.scan([seen("a")]);
    expect(await bed.states()).toEqual(["a UPLOADED", "b REMOVED"]);
    expect(await bed.scan([seen("a")], { sameDevice: false })).toMatchObject({ doubt: null });
  });

  test("somebody vouches for it: absence is believed", async () => {
    const found = await bed.scan([seen("a")], { sameDevice: false, trusted: true });
    expect(found).toMatchObject({ removed: 1, doubt: null });
    expect(await bed.scan([], { trusted: true })).toMatchObject({ removed: 1, doubt: null });
    expect(await bed.states()).toEqual(["a REMOVED", "b REMOVED"]);
  });
});

describe("a file that never becomes quiet", () => {
  const MINUTE = 60_000;
  const grown = (at: number, size: number): ScanEntry => {
    const ns = BigInt(NOW + at) * 1_000_000n;
    return { kind: "file", path: "log", facts: { size, mtimeNs: ns, fingerprint: `1:2:${size}:${ns}:${ns}` } };
  };
  const look = (at: number, maxUnstableAge: number | null = null) =>
    bed.scan([grown(at, at + 1)], { now: NOW + at, stabilityThreshold: 5_000, maxUnstableAge });

  test("waits, since when is kept, and it is counted", async () => {
    expect(await look(0)).toMatchObject({ added: 1, unstable: 1 });
    expect(await look(MINUTE)).toMatchObject({ changed: 1, unstable: 1 });
    expect(await bed.file("log")).toMatchObject({ unstableSince: NOW, nextAttemptAt: NOW + MINUTE + 5_000 });
    const again = { now: NOW + MINUTE + 1_000, stabilityThreshold: 5_000 };
    expect(await bed.scan([grown(MINUTE, MINUTE + 1)], again)).toMatchObject({ changed: 0, unstable: 1 });
  });

  test("is reported once, after ten minutes", async () => {
    let told = 0;
    for (let minute = 0; minute < 30; minute++) {
      await look(minute * MINUTE);
      told += bed.heard.events.filter(({ name }) => name === "file:unstable").length;
    }
    expect(told).toBe(1);
  });

  test("is due at once when maxUnstableAge has passed", async () => {
    for (let minute = 0; minute < 5; minute++) await look(minute * MINUTE, 5 * MINUTE);
    expect((await bed.file("log")).nextAttemptAt).toBeGreaterThan(0);
    await look(5 * MINUTE, 5 * MINUTE);
    expect((await bed.file("log")).nextAttemptAt).toBe(0);
  });
});
