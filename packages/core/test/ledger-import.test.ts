import { describe, expect, test } from "vitest";
import { type FileRecord, type FinishedPart, importLedger, type StateStore, type UploadRecord } from "../src/index.ts";
import { type FaultRule, faulty, type MemoryStateStore } from "../src/testing/index.ts";
import {
  type Contents,
  contentsOf,
  expectNothingWhole,
  exported,
  memoryStore,
  part,
  randomContents,
  refusal,
  running,
  transfer,
} from "./support/ledgers.ts";
import { Dice } from "./support/random.ts";
import { file } from "./support/records.ts";

/** What stands in the target of a whole import. */
async function imported(lines: readonly string[]): Promise<Contents> {
  const store = await memoryStore();
  await importLedger(store, lines);
  return await contentsOf(store);
}

/** Revisions are the store's own. */
function withoutRevisions(contents: Contents): unknown {
  const strip = <T extends { revision: number }>(record: T) => ({ ...record, revision: 0 });
  return contents.map(({ upload: record, files, notices }) => ({
    notices,
    upload: strip(record),
    files: files.map((stored) => ({ ...stored, file: strip(stored.file) })),
  }));
}

describe("an import that was cut short", () => {
  const WRITES = ["insertUpload", "commit", "updateUpload"] as const;
  const READS = ["getUpload", "getFile", "listParts", "counters"] as const;

  test.each(["before", "after"] as const)(
    "at any call of the store (%s it is made): begun again, it completes",
    async (when) => {
      const contents = randomContents(new Dice(5), 4, 30);
      const lines = await exported(contents);
      const whole = withoutRevisions(await imported(lines));
      let killed = 0;
      for (let nth = 1; ; nth++) {
        const target = await memoryStore();
        let calls = 0;
        const mortal = faulty<StateStore>(target);
        for (const method of [...WRITES, ...READS]) {
          const run = async ({ proceed }: { proceed: () => unknown }) => {
            if (++calls !== nth) return proceed();
            if (when === "after") await proceed();
            throw new Error("killed");
          };
          mortal.inject({ method, run, times: Number.POSITIVE_INFINITY } as FaultRule<StateStore>);
        }
        const ending = await importLedger(mortal.port, lines).catch((error: Error) => error);
        if (!(ending instanceof Error)) break;
        expect(ending.message).toBe("killed");
        killed++;
        // What is not marked as unfinished is whole.
        for (const { upload: record, files, notices } of await contentsOf(target)) {
          if (record.reason?.code === "IMPORT_UNFINISHED") {
            expect(notices, "nobody is told of what is not whole").toBeUndefined();
            continue;
          }
          const original = contents.find(({ upload: { id } }) => id === record.id);
          expect(files).toHaveLength(original?.files.length ?? -1);
          expect(notices).toEqual(original?.notices);
        }
        await importLedger(target, lines);
        expect(withoutRevisions(await contentsOf(target))).toEqual(whole);
      }
      expect(killed).toBeGreaterThan(10);
    },
  );

  test("killed again and again, each time a little later, in one store", async () => {
    const lines = await exported(randomContents(new Dice(6), 5, 30));
    const target = await memoryStore();
    for (let nth = 1; ; nth++) {
      const mortal = faulty<StateStore>(target);
      for (const method of WRITES) mortal.inject({ method, nth, after: new Error("killed") } as FaultRule<StateStore>);
      const ending = await importLedger(mortal.port, lines).catch((error: Error) => error);
      if (!(ending instanceof Error)) break;
      expect(ending.message).toBe("killed");
    }
    expect(withoutRevisions(await contentsOf(target))).toEqual(withoutRevisions(await imported(lines)));
  });

  const afterFirstLines = async (target: StateStore, lines: string[], count: number) =>
    await refusal(importLedger(target, lines.slice(0, count)));

  test("an export that was made later goes on with it, and its records win", async () => {
    const target = await memoryStore();
    await afterFirstLines(target, await exported(), 5);
    const done = file({ path: "b.txt", key: "u/b.txt", state: "UPLOADED", updatedAt: 9, revision: 30 });
    const more = { ...transfer, token: "t2" };
    const begun: FileRecord = file({ state: "IN_PROGRESS", owner: "o", transfer: more, revision: 3 });
    const later: Contents = [
      {
        upload: running({ updatedAt: 9, revision: 4 }),
        files: [
          { file: begun, parts: [part(2)] },
          { file: done, parts: [] },
        ],
      },
    ];
    const lines = await exported(later);
    await importLedger(target, lines);
    expect(withoutRevisions((await contentsOf(target)).slice(0, 1))).toEqual(withoutRevisions(await imported(lines)));
    expect((await target.getFile("u", "b.txt"))?.revision).toBeGreaterThan(2);
  });

  test("parts that are missing from a file that is the same otherwise are added, and wrong ones replaced", async () => {
    const target = await memoryStore();
    const inFlight = file({ state: "IN_PROGRESS", owner: "o", transfer });
    const withParts = async (parts: FinishedPart[]) =>
      await exported([
        { upload: running(), files: [{ file: inFlight, parts }] },
        { upload: { ...running(), id: "v" }, files: [] },
      ]);
    await afterFirstLines(target, await withParts([part(1), part(2, "wrong")]), 4);
    expect(await target.listParts("u", "a.txt")).toHaveLength(2);
    await importLedger(target, await withParts([part(1), part(2), part(3)]));
    expect(await target.listParts("u", "a.txt")).toEqual([part(1), part(2), part(3)]);
  });

  test("an export that was made earlier, with fewer files, does not end it", async () => {
    const target = await memoryStore();
    await afterFirstLines(target, await exported(), 5);
    const earlier = await exported([{ upload: running(), files: [{ file: file(), parts: [] }] }]);
    expect(await refusal(importLedger(target, earlier))).toMatchObject({ code: "UPLOAD_EXISTS" });
    await expectNothingWhole(target);
    await importLedger(target, await exported());
    expect(withoutRevisions(await contentsOf(target))).toEqual(withoutRevisions(await imported(await exported())));
  });

  test("another upload's export does not take it over", async () => {
    const target = await memoryStore();
    await afterFirstLines(target, await exported(), 5);
    const before = await contentsOf(target);
    const other = await exported([
      { upload: running({ createdAt: 77 }), files: [{ file: file({ size: 1 }), parts: [] }] },
    ]);
    expect(await refusal(importLedger(target, other))).toMatchObject({ code: "UPLOAD_EXISTS" });
    expect(await contentsOf(target)).toEqual(before);
  });

  test("two imports of one export at once do the same work and do not fall over each other", async () => {
    const lines = await exported();
    const target = await memoryStore();
    await Promise.all([importLedger(target, lines), importLedger(target, lines)]);
    expect(withoutRevisions(await contentsOf(target))).toEqual(withoutRevisions(await imported(lines)));
  });
});

describe("a store that has uploads already", () => {
  test("the same export again changes nothing", async () => {
    const [lines, target] = [await exported(), await memoryStore()];
    await importLedger(target, lines);
    const before = await contentsOf(target);
    expect(await importLedger(target, lines)).toEqual({ uploads: 2, files: 3, parts: 2, notices: 0, kept: [] });
    expect(await contentsOf(target)).toEqual(before);
  });

  test("other uploads are left alone, and come first", async () => {
    const target = await memoryStore();
    await target.insertUpload({ ...running(), id: "a" });
    await importLedger(target, await exported());
    expect((await target.listUploads({ limit: 9 })).map(({ id, state }) => `${id} ${state}`)).toEqual([
      "a IN_PROGRESS",
      "u IN_PROGRESS",
      "v IN_PROGRESS",
    ]);
  });

  const change = async (
    target: MemoryStateStore,
    path: string,
    changes: Partial<FileRecord>,
    parts: readonly FinishedPart[] = [],
  ) => {
    const before = (await target.getFile("u", path)) as FileRecord;
    await target.commit([{ before, after: { ...before, revision: before.revision + 1, ...changes }, parts }]);
  };

  test.each<[string, (target: MemoryStateStore) => Promise<unknown>]>([
    [
      "another upload with the id",
      async (target) => {
        const before = (await target.getUpload("u")) as UploadRecord;
        await target.updateUpload(before, { ...before, revision: 9, spec: { ...before.spec, bucket: "other" } });
      },
    ],
    [
      "the upload, gone on",
      async (target) => {
        const before = (await target.getUpload("u")) as UploadRecord;
        await target.updateUpload(before, { ...before, revision: 9, state: "COMPLETED", updatedAt: 99 });
      },
    ],
    ["a file, gone on", (target) => change(target, "a.txt", { state: "UPLOADED" })],
    [
      "a file with another transfer",
      (target) => change(target, "b.txt", { transfer: { ...transfer, token: "other" } }),
    ],
    ["a part that differs", (target) => change(target, "b.txt", {}, [part(3, "other")])],
    ["a file more", (target) => target.commit([{ before: null, after: file({ path: "c.txt" }) }])],
  ])("%s: refused, and left as it was", async (_, alter) => {
    const target = await memoryStore();
    await importLedger(target, await exported());
    await alter(target);
    const before = await contentsOf(target);
    const lines = await exported();
    for (const source of [lines, () => lines]) {
      const error = await refusal(importLedger(target, source));
      expect(error).toMatchObject({
        name: "UploadError",
        code: "UPLOAD_EXISTS",
        message: expect.stringContaining('"u"'),
      });
    }
    expect(await contentsOf(target)).toEqual(before);
  });

  test("checked first, nothing at all is written when one upload exists", async () => {
    const target = await memoryStore();
    await target.insertUpload({ ...running(), id: "v", createdAt: 99 });
    const lines = await exported();
    expect(await refusal(importLedger(target, () => lines))).toMatchObject({ code: "UPLOAD_EXISTS" });
    expect(await target.listUploads({ limit: 9 })).toHaveLength(1);
  });

  test("existing: keep leaves what has gone on, and imports the rest", async () => {
    const [lines, target] = [await exported(), await memoryStore()];
    const watched = faulty<StateStore>(target, [{ method: "updateUpload", nth: 2, before: new Error("killed") }]);
    await expect(importLedger(watched.port, lines)).rejects.toThrow("killed");
    // A service has started on the half of it.
    await change(target, "a.txt", { state: "UPLOADED" });
    expect(await refusal(importLedger(target, lines))).toMatchObject({ code: "UPLOAD_EXISTS" });
    expect(await importLedger(target, lines, { existing: "keep" })).toMatchObject({ uploads: 2, kept: ["u"] });
    expect(await target.getFile("u", "a.txt")).toMatchObject({ state: "UPLOADED" });
    expect(await target.getUpload("v")).toMatchObject({ state: "IN_PROGRESS", reason: null });
  });

  test("existing: anything else is refused", async () => {
    const options = { existing: "replace" as "keep" };
    const error = await refusal(importLedger(await memoryStore(), await exported(), options));
    expect(error).toMatchObject({ code: "INVALID_OPTION" });
  });

  test("existing: keep does not take another upload for the same", async () => {
    const target = await memoryStore();
    await target.insertUpload(running({ createdAt: 99 }));
    expect(await refusal(importLedger(target, await exported(), { existing: "keep" }))).toMatchObject({
      code: "UPLOAD_EXISTS",
    });
  });
});
