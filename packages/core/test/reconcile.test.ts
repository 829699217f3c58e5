import { beforeEach, describe, expect, test } from "vitest";
import { type FileState, reduceFile, type SourceFacts } from "../src/file.ts";
import type { ScanEntry } from "../src/scanner.ts";
import { type Dice, forSeeds } from "./support/random.ts";
import { NOW, ReconcileBed, seen, skipped, unreadable } from "./support/reconcile-bed.ts";
import { facts } from "./support/records.ts";
import { inByteOrder } from "./support/trees.ts";

let bed: ReconcileBed;
beforeEach(async () => {
  bed = await new ReconcileBed().open();
});

describe("a scan", () => {
  test("adds what is new, and says that there is work", async () => {
    const found = await bed.scan([seen("a"), skipped("b"), seen("c/d")]);
    expect(found).toEqual({
      seen: 3,
      added: 2,
      changed: 0,
      removed: 0,
      skipped: 1,
      unstable: 0,
      complete: true,
      work: true,
      doubt: null,
    });
    expect(await bed.states()).toEqual(["a PENDING", "b SKIPPED", "c/d PENDING"]);
    expect(await bed.file("c/d")).toMatchObject({ key: "u/c/d", ...facts(10), nextAttemptAt: 0, createdAt: NOW });
    expect(bed.heard.events.map(({ name }) => name)).toEqual(["file:queued", "file:skipped", "file:queued"]);
  });

  test("opens the upload before its files are written, and calls for work when they are there", async () => {
    await bed.scan([skipped("b")]);
    expect(bed.rang).toEqual([]);
    await bed.scan([seen("a"), skipped("b"), seen("c")], { batch: 2 });
    expect(bed.rang).toEqual([0, 1, 1, 2]);
  });

  test("writes nothing when nothing changed", async () => {
    const entries = [
      seen("a"),
      seen("b"),
      skipped("c"),
      skipped("d/"),
      seen("d0"),
      unreadable("e"),
      unreadable("f/"),
      seen("g"),
    ];
    await bed.scan(entries);
    await bed.move("b", "FAILED");
    await bed.uploadAll();
    const [commits, before] = [bed.commits.matched, await bed.files()];
    const found = await bed.scan(entries);
    expect([bed.commits.matched, await bed.files()]).toEqual([commits, before]);
    expect(found).toMatchObject({ added: 0, changed: 0, removed: 0, skipped: 0, work: false, complete: false });
    expect(bed.heard.events.every(({ name }) => name === "warning")).toBe(true);
  });

  test("queues what changed, by any fact, and keeps what proves the old object", async () => {
    await bed.scan([seen("a"), seen("b"), seen("c")]);
    await bed.uploadAll();
    const found = await bed.scan([seen("a", 2), seen("b", 1, 11), seen("c")]);
    expect(found).toMatchObject({ changed: 2, work: true });
    expect(await bed.states()).toEqual(["a PENDING", "b PENDING", "c UPLOADED"]);
    expect(await bed.file("a")).toMatchObject({
      ...facts(10, 2),
      attempts: 0,
      evidence: { fingerprint: facts(10).fingerprint },
    });
    expect(bed.heard.named("file:changed")).toHaveLength(2);
  });

  test("removes what is gone, but asks a worker about what is still queued", async () => {
    await bed.scan([seen("a"), seen("b"), seen("c"), seen("d")]);
    for (const path of ["a", "d"]) await bed.move(path, "UPLOADED");
    await bed.move("b", "IN_PROGRESS");
    expect(await bed.scan([seen("x")])).toMatchObject({ added: 1, removed: 2 });
    expect(await bed.states()).toEqual(["a REMOVED", "b IN_PROGRESS", "c PENDING", "d REMOVED", "x PENDING"]);
    expect(await bed.scan([seen("a"), seen("b"), seen("c"), seen("d"), seen("x")])).toMatchObject({ changed: 2 });
    expect(await bed.file("a")).toMatchObject({ state: "PENDING", key: "u/a" });
  });

  test("leaves a failed file that is the same to its own time", async () => {
    await bed.scan([seen("a")]);
    await bed.move("a", "FAILED");
    expect(await bed.scan([seen("a")])).toMatchObject({ changed: 0, work: false });
    expect(await bed.scan([seen("a", 2)])).toMatchObject({ changed: 1, work: true });
  });

  test("is overtaken by a worker without a word", async () => {
    await bed.scan([seen("a"), seen("b")]);
    bed.inject({
      method: "commit",
      run: async ({ proceed }) => {
        await bed.move("a", "IN_PROGRESS");
        return proceed();
      },
    });
    await bed.scan([seen("a", 2), seen("b", 2)]);
    expect(await bed.states()).toEqual(["a IN_PROGRESS", "b PENDING"]);
    expect(bed.heard.named("file:changed")).toMatchObject([{ path: "b" }]);
  });

  test("waits until a file has been quiet", async () => {
    const at = (path: string, mtimeMs: number): ScanEntry => ({
      kind: "file",
      path,
      facts: { ...facts(1), mtimeNs: BigInt(mtimeMs) * 1_000_000n },
    });
    await bed.scan([at("future", NOW + 50_000), at("new", NOW - 1_000), at("old", NOW - 5_000)], {
      stabilityThreshold: 5_000,
    });
    expect((await bed.files()).map(({ path, nextAttemptAt }) => [path, nextAttemptAt])).toEqual([
      ["future", NOW + 5_000],
      ["new", NOW + 4_000],
      ["old", 0],
    ]);
  });
});

describe("absence", () => {
  const all = [seen("a"), seen("b-1"), seen("b/1"), seen("b/c/2"), seen("b0"), seen("c")];
  beforeEach(async () => {
    await bed.scan(all);
    await bed.uploadAll();
  });
  const untouched = ["a UPLOADED", "b-1 UPLOADED", "b/1 UPLOADED", "b/c/2 UPLOADED", "b0 UPLOADED", "c UPLOADED"];

  test("in a folder that could not be read says nothing", async () => {
    expect(await bed.scan([seen("a"), seen("b-1"), unreadable("b/"), seen("b0"), seen("c")])).toMatchObject({
      removed: 0,
      complete: false,
    });
    expect(await bed.states()).toEqual(untouched);
    expect(bed.heard.named("warning")).toEqual([{ code: "SOURCE_NOT_READABLE", message: "EIO", uploadId: "u" }]);
  });

  test("beside it does", async () => {
    await bed.scan([seen("a"), seen("b/1"), unreadable("b/c/"), seen("c")]);
    expect(await bed.states()).toEqual([
      "a UPLOADED",
      "b-1 REMOVED",
      "b/1 UPLOADED",
      "b/c/2 UPLOADED",
      "b0 REMOVED",
      "c UPLOADED",
    ]);
  });

  test("of a file that could not be asked is none", async () => {
    await bed.scan([unreadable("a"), seen("b-1"), seen("b/1"), unreadable("b/c/2"), seen("b0"), unreadable("c")]);
    expect(await bed.states()).toEqual(untouched);
  });

  test("of everything is suspicious and changes nothing", async () => {
    expect(await bed.scan([])).toMatchObject({ seen: 0, removed: 0, doubt: { code: "SOURCE_DOUBTFUL" } });
    expect(await bed.states()).toEqual(untouched);
  });

  test("of everything but what is gone already is not", async () => {
    await bed.scan([seen("a")]);
    const left = await bed.file("a");
    await bed.memory.commit([{ before: left, after: reduceFile(left, { type: "remove" }, NOW) }]);
    expect(await bed.scan([])).toMatchObject({ doubt: null });
  });
});

test("an empty folder that never held anything is not suspicious", async () => {
  expect(await bed.scan([])).toMatchObject({ seen: 0, doubt: null, complete: true, work: false });
});

test("a link that became a folder, and entries with a slash, keep the order", async () => {
  await bed.scan([seen("a-b"), skipped("a/"), seen("a0")]);
  expect(await bed.scan([seen("a-b"), seen("a/b"), seen("a0")])).toMatchObject({ added: 1, removed: 1 });
  expect(await bed.scan([seen("a-b"), skipped("a/"), seen("a0")])).toMatchObject({ skipped: 1 });
  expect(await bed.states()).toEqual(["a-b PENDING", "a/ SKIPPED", "a/b PENDING", "a0 PENDING"]);
});

describe("filters and skips", () => {
  test("a file outside the limits is skipped, and taken when it fits", async () => {
    bed = await new ReconcileBed().open({ maxSize: 10 });
    await bed.scan([seen("a", 1, 11), seen("b")]);
    expect(await bed.states()).toEqual(["a SKIPPED", "b PENDING"]);
    expect((await bed.file("a")).reason?.code).toBe("FILE_FILTERED");
    await bed.scan([seen("a", 2, 10), seen("b", 2, 11)]);
    expect(await bed.states()).toEqual(["a PENDING", "b SKIPPED"]);
    expect(await bed.scan([seen("a", 2, 10), seen("b", 2, 11)])).toMatchObject({ changed: 0, skipped: 0 });
  });

  test("a key that is too long is skipped", async () => {
    await bed.scan([seen("a".repeat(1_024)), seen("b")]);
    expect((await bed.files()).map(({ state, reason }) => [state, reason?.code])).toEqual([
      ["SKIPPED", "KEY_TOO_LONG"],
      ["PENDING", undefined],
    ]);
    expect(await bed.scan([seen("a".repeat(1_024)), seen("b")])).toMatchObject({ skipped: 0, changed: 0, work: false });
  });

  test("a file whose object was there is not sent again and again", async () => {
    await bed.scan([seen("a")]);
    const claimed = reduceFile(await bed.file("a"), { type: "claim", owner: "w" }, NOW);
    const after = reduceFile(claimed, { type: "skip", reason: { code: "OBJECT_EXISTS", message: "m" } }, NOW);
    await bed.memory.commit([
      { before: await bed.file("a"), after: claimed },
      { before: claimed, after },
    ]);
    const commits = bed.commits.matched;
    expect(await bed.scan([seen("a")])).toMatchObject({ changed: 0, work: false });
    expect(bed.commits.matched).toBe(commits);
    expect(await bed.scan([seen("a", 2)])).toMatchObject({ changed: 1, work: true });
  });
});

describe("keys that collide", () => {
  beforeEach(async () => {
    bed = await new ReconcileBed().open({ keyTemplate: "{name}{ext}" });
  });
  const reasons = async () => (await bed.files()).map(({ path, state, reason }) => `${path} ${reason?.code ?? state}`);

  test.each([1, 2, 256])("within one scan, in batches of %d: the first in path order has it", async (batch) => {
    await bed.scan([seen("a/x"), seen("b/x"), seen("c/x"), seen("c/y")], { batch });
    expect(await reasons()).toEqual(["a/x PENDING", "b/x KEY_COLLISION", "c/x KEY_COLLISION", "c/y PENDING"]);
  });

  test("across scans: who has it keeps it", async () => {
    await bed.scan([seen("b/x")]);
    await bed.uploadAll();
    const both = [seen("a/x"), seen("b/x")];
    await bed.scan(both);
    expect(await reasons()).toEqual(["a/x KEY_COLLISION", "b/x UPLOADED"]);
    expect(await bed.scan(both)).toMatchObject({ changed: 0, skipped: 0, work: false });
  });

  test("a file that moved takes its key along", async () => {
    await bed.scan([seen("a/x"), seen("z")]);
    await bed.uploadAll();
    await bed.scan([seen("b/x", 2), seen("z")]);
    expect(await reasons()).toEqual(["a/x REMOVED", "b/x PENDING", "z UPLOADED"]);
  });

  test("a removed file does not hide who has the key now", async () => {
    await bed.scan([seen("a/x"), seen("z")]);
    await bed.uploadAll();
    await bed.scan([seen("b/x"), seen("z")]);
    await bed.uploadAll();
    await bed.scan([seen("b/x"), seen("c/x"), seen("z")]);
    expect(await reasons()).toEqual(["a/x REMOVED", "b/x UPLOADED", "c/x KEY_COLLISION", "z UPLOADED"]);
    await bed.scan([seen("a/x"), seen("b/x"), seen("c/x"), seen("z")]);
    expect(await reasons()).toEqual(["a/x KEY_COLLISION", "b/x UPLOADED", "c/x KEY_COLLISION", "z UPLOADED"]);
  });

  test("whatever happens, no two files ever claim one key", async () => {
    await forSeeds(25, async (dice) => {
      bed = await new ReconcileBed().open({ keyTemplate: "{name}" });
      for (let step = 0; step < 12; step++) {
        const paths = inByteOrder([
          ...new Set(
            dice.list(
              1,
              12,
              () => `${dice.pick(["a", "b", "c"])}/${dice.pick(["x", "y", "z"])}${dice.pick(["", ".1", ".2"])}`,
            ),
          ),
        ]);
        await bed.scan(
          paths.map((path) => seen(path, dice.int(1, 3))),
          { batch: dice.int(1, 5) },
        );
        const claimed = (await bed.files())
          .filter(({ state }) => state !== "SKIPPED" && state !== "REMOVED")
          .map(({ key }) => key);
        expect(new Set(claimed).size).toBe(claimed.length);
        if (dice.chance(0.5)) await bed.uploadAll();
      }
    });
  });
});

/** What the ledger should hold, worked out file by file, without order, pages or batches. */
function model(
  known: Map<string, { state: FileState; facts: SourceFacts }>,
  disk: ReadonlyMap<string, SourceFacts>,
): void {
  const suspicious = disk.size === 0;
  for (const [path, record] of known) {
    const now = disk.get(path);
    if (!now && (suspicious || record.state === "PENDING" || record.state === "IN_PROGRESS")) continue;
    if (!now) record.state = "REMOVED";
    else if (
      record.state !== "IN_PROGRESS" &&
      (record.state === "REMOVED" || now.fingerprint !== record.facts.fingerprint)
    ) {
      known.set(path, { state: "PENDING", facts: now });
    }
  }
  for (const [path, found] of disk) if (!known.has(path)) known.set(path, { state: "PENDING", facts: found });
}

function mutate(dice: Dice, disk: Map<string, SourceFacts>, changes: number): void {
  for (let change = 0; change < changes; change++) {
    const path = dice
      .list(1, 3, () => `${dice.pick(["a", "b.c", "é", "😀", "\uffff", "a b"])}${dice.int(0, 12)}`)
      .join("/");
    if (dice.chance(0.3)) disk.delete(dice.chance(0.7) ? dice.pick([...disk.keys(), path]) : path);
    else disk.set(path, facts(dice.int(0, 99), dice.int(1, 1_000_000)));
  }
}

test("thousands of files through random changes: the ledger holds what a simple model says", async () => {
  await forSeeds(3, async (dice) => {
    bed = await new ReconcileBed().open();
    const disk = new Map<string, SourceFacts>();
    const known = new Map<string, { state: FileState; facts: SourceFacts }>();
    mutate(dice, disk, 3_000);
    for (let step = 0; step < 6; step++) {
      const entries = inByteOrder([...disk.keys()]).map(
        (path): ScanEntry => ({ kind: "file", path, facts: disk.get(path) as SourceFacts }),
      );
      await bed.scan(entries, { batch: dice.pick([1, 7, 256, 1_000]) });
      model(known, disk);
      const expected = inByteOrder([...known.keys()]).map((path) => [
        path,
        known.get(path)?.state,
        known.get(path)?.facts.fingerprint,
      ]);
      expect((await bed.files()).map(({ path, state, fingerprint }) => [path, state, fingerprint])).toEqual(expected);
      const commits = bed.commits.matched;
      await bed.scan(entries);
      expect(bed.commits.matched).toBe(commits);
      for (const { path, state } of await bed.files()) {
        if (state !== "PENDING" || dice.chance(0.5)) continue;
        const next = dice.pick(["UPLOADED", "FAILED", "IN_PROGRESS"] as const);
        await bed.move(path, next);
        (known.get(path) as { state: FileState }).state = next;
      }
      mutate(dice, disk, dice.pick([0, 10, 400]));
    }
  });
});
