import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { importLedger, type Notice, newNotice, type StateStore } from "../src/index.ts";
import { faulty } from "../src/testing/index.ts";
import {
  type Contents,
  contentsOf,
  exported,
  fill,
  linesOf,
  memoryStore,
  refusal,
  running,
} from "./support/ledgers.ts";
import { Dice } from "./support/random.ts";
import { file } from "./support/records.ts";

const reason = { code: "ACCESS_DENIED", message: "It may not be written." } as const;
const failedFile = { uploadId: "u", path: "a.txt", key: "u/a.txt", state: "FAILED", size: 10, attempts: 1 } as const;
const history = [{ at: 3, what: "fail", attempt: 1, reason }] as const;

const ofFile = newNotice(
  { id: "01b", subscriber: "hooks", event: "file:failed", payload: { ...failedFile, reason } },
  7,
);
const ofUpload = (id: string, uploadId: string, changes: Partial<Notice> = {}): Notice => {
  const payload = { uploadId, state: "COMPLETED", reason: null } as const;
  return { ...newNotice({ id, subscriber: "hooks", event: "upload:completed", payload }, 8), ...changes };
};
const dead = ofUpload("02", "u", { state: "DEAD", attempts: 20, nextAttemptAt: 99, reason, revision: 41 });

const CONTENTS: Contents = [
  {
    upload: running(),
    files: [{ file: file({ state: "FAILED", reason, history }), parts: [] }],
    notices: [ofFile, dead],
  },
  { upload: { ...running(), id: "v" }, files: [], notices: [ofUpload("01a", "v")] },
];

const noticesOf = (store: StateStore) => store.listNotices({ limit: 10_000 });
const ids = async (store: StateStore) => (await noticesOf(store)).map(({ id }) => id);

describe("notices move with the ledger", () => {
  test("behind everything else, in order of their ids, and are counted", async () => {
    const lines = (await exported(CONTENTS)).map((line) => JSON.parse(line));
    expect(lines.map((line) => Object.keys(line)[0])).toEqual(
      "format upload file upload notice notice notice end".split(" "),
    );
    expect(lines.slice(4, 7).map(({ notice }) => notice)).toEqual([ofUpload("01a", "v"), ofFile, dead]);
    expect(lines[2].file.history).toEqual(history);
    expect(lines[7].end).toMatchObject({ uploads: 2, files: 1, parts: 0, notices: 3 });
  });

  test("with every field, due and dead ones", async () => {
    const target = await memoryStore();
    expect(await importLedger(target, await exported(CONTENTS))).toMatchObject({ notices: 3 });
    expect(await noticesOf(target)).toEqual([ofUpload("01a", "v"), ofFile, dead]);
    expect(await target.getFile("u", "a.txt")).toMatchObject({ history });
  });

  test("read page by page", async () => {
    const [source, target] = [await memoryStore(), await memoryStore()];
    const names = Array.from({ length: 2_345 }, (_, n) => String(n).padStart(5, "0"));
    const notices = names.map((id) => ofUpload(id, "u"));
    await fill(source, [{ upload: running(), files: [], notices }]);
    await importLedger(target, await linesOf(source));
    expect(await noticesOf(target)).toEqual(notices);
  });

  test("what is recorded while the files are read is among them, unless its upload came later", async () => {
    const store = await memoryStore();
    await fill(store, CONTENTS);
    const watched = faulty<StateStore>(store);
    const change = { before: null, after: file({ path: "b.txt" }) };
    watched.inject({
      method: "listNotices",
      run: async ({ proceed }) => {
        await store.commit([{ ...change, notices: [ofUpload("03", "u")] }]);
        await fill(store, [{ upload: { ...running(), id: "w" }, files: [], notices: [ofUpload("04", "w")] }]);
        return proceed();
      },
    });
    const target = await memoryStore();
    await importLedger(target, await linesOf(watched.port));
    expect(await ids(target)).toEqual(["01a", "01b", "02", "03"]);
    expect(await target.getUpload("w")).toBeUndefined();
  });

  test("an export from before there were notices and histories arrives as it did", async () => {
    const lines = readFileSync(new URL("support/before-notices.jsonl", import.meta.url), "utf8");
    const target = await memoryStore();
    expect(await importLedger(target, () => [lines])).toEqual({ uploads: 1, files: 1, parts: 1, notices: 0, kept: [] });
    expect(await noticesOf(target)).toEqual([]);
    const rescued = [{ at: 1, what: "rescue", attempt: 1, reason: null }];
    expect(await target.getFile("u", "b.txt")).toMatchObject({ state: "PENDING", history: rescued });
    const twice = await contentsOf(target);
    await importLedger(target, [lines]);
    expect(await contentsOf(target)).toEqual(twice);
  });
});

describe("nothing is told twice because of an import", () => {
  test("importing again doubles nothing, and brings nothing back that was delivered or given up since", async () => {
    const [lines, target] = [await exported(CONTENTS), await memoryStore()];
    await importLedger(target, lines);
    await target.updateNotice(ofUpload("01a", "v"), null);
    const givenUp = { ...ofFile, revision: 2, state: "DEAD" } as const;
    await target.updateNotice(ofFile, givenUp);
    expect(await importLedger(target, lines)).toMatchObject({ notices: 3, kept: [] });
    expect(await noticesOf(target)).toEqual([givenUp, dead]);
  });

  test("an upload that is kept keeps its notices, and gets none", async () => {
    const [lines, target] = [await exported(CONTENTS), await memoryStore()];
    await fill(target, [{ upload: running({ state: "PAUSED" }), files: [], notices: [ofUpload("09", "u")] }]);
    expect(await importLedger(target, lines, { existing: "keep" })).toMatchObject({ notices: 3, kept: ["u"] });
    expect(await ids(target)).toEqual(["01a", "09"]);
  });

  test("of an import that is refused at its end there is none", async () => {
    const [lines, target] = [await exported(CONTENTS), await memoryStore()];
    const error = await refusal(importLedger(target, lines.slice(0, -1)));
    expect(error.code).toBe("EXPORT_INVALID");
    expect(await noticesOf(target)).toEqual([]);
  });

  test("killed while it records very many: begun again, all are there once", async () => {
    const notices = Array.from({ length: 2_500 }, (_, n) => ofUpload(String(n).padStart(5, "0"), "u"));
    const lines = await exported([{ upload: running(), files: [], notices }]);
    for (const nth of [1, 2, 3]) {
      const target = await memoryStore();
      const mortal = faulty<StateStore>(target, [{ method: "updateUpload", nth, after: new Error("killed") }]);
      await expect(importLedger(mortal.port, lines)).rejects.toThrow("killed");
      await importLedger(target, lines);
      expect(await noticesOf(target)).toEqual(notices);
      expect(await target.getUpload("u")).toMatchObject({ state: "IN_PROGRESS", reason: null });
    }
  });
});

describe("a notice that is not believed", () => {
  const replaced = (from: string | RegExp, to: string) => (lines: string[]) =>
    lines.map((line) => (line.includes('"01b"') ? line.replace(from, to) : line));

  test.each<[string, (lines: string[]) => string[], RegExp]>([
    ["an unknown event", replaced("file:failed", "file:lost"), /^Line 6 .*notice\.event must be .*not "file:lost"/],
    ["what another event says", replaced("file:failed", "upload:failed"), /^Line 6 .*notice\.payload\.path is unknown/],
    ["an unknown state", replaced('"DUE"', '"LATE"'), /^Line 6 .*notice\.state/],
    ["an unknown state of its file", replaced('"FAILED"', '"LOST"'), /^Line 6 .*notice\.payload\.state/],
    ["no reason", replaced(/"reason":\{[^}]*\}/, '"reason":null'), /^Line 6 .*notice\.payload\.reason/],
    ["an unknown field", replaced('"attempts":0', '"tries":0'), /^Line 6 .*notice\.tries is unknown/],
    ["a field missing", replaced('"attempts":0,', ""), /^Line 6 .*notice\.attempts must be .*not missing/],
    ["a subscriber's name of another kind", replaced('"hooks"', '"../hooks"'), /^Line 6 .*notice\.subscriber/],
    ["an id that is not ASCII", replaced('"01b"', '"01ß"'), /^Line 6 .*notice\.id/],
    ["an upload that is not there", replaced('"uploadId":"u"', '"uploadId":"w"'), /^Line 6 .*no upload "w"/],
    ["one twice", (lines) => lines.toSpliced(5, 0, lines[5] ?? ""), /^Line 7 .*order of their ids/],
    ["another order", (lines) => lines.toSpliced(4, 2, lines[5] ?? "", lines[4] ?? ""), /^Line 6 .*order of their ids/],
    ["a file behind it", (lines) => lines.toSpliced(5, 0, lines[2] ?? ""), /^Line 6 .*behind all the rest/],
    ["one missing", (lines) => lines.toSpliced(5, 1), /^Line 7 .*counts 3 notices, but 2 came/],
    [
      "an end that knows of none",
      (lines) => lines.map((line) => line.replace(',"notices":3', "")),
      /^Line 8 .*counts 0 notices, but 3 came/,
    ],
    [
      "an unknown kind of history",
      (lines) => lines.map((line) => line.replace('"what":"fail"', '"what":"luck"')),
      /^Line 3 .*file\.history\[0\]\.what/,
    ],
    ["parts with it", replaced(/\}\n$/, ',"parts":[]}\n'), /^Line 6 .*must hold/],
  ])("%s: refused, and nothing is changed", async (_, damage, message) => {
    const target = await memoryStore();
    const lines = damage(await exported(CONTENTS));
    const error = await refusal(importLedger(target, () => lines));
    expect(error).toMatchObject({ code: "EXPORT_INVALID", message: expect.stringMatching(message) });
    expect(await contentsOf(target)).toEqual([]);
    expect(await noticesOf(target)).toEqual([]);
  });

  test("any one bit of its line wrong", async () => {
    const bytes = Buffer.from((await exported(CONTENTS)).join(""));
    const dice = new Dice(12);
    const first = bytes.indexOf('{"notice"');
    for (let round = 0; round < 200; round++) {
      const damaged = Buffer.from(bytes);
      const at = dice.int(first, bytes.length - 1);
      damaged[at] = (bytes[at] as number) ^ (1 << dice.int(0, 7));
      const target = await memoryStore();
      const error = await refusal(importLedger(target, [damaged]));
      expect(error.code, `byte ${at} as ${damaged[at]}`).toMatch(/^EXPORT_/);
      expect(await noticesOf(target)).toEqual([]);
    }
  });
});
