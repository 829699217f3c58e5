import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { InputError, StateStoreError } from "@bucketline/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { JsonStateStore } from "../src/index.ts";
import { stateError } from "../src/state-error.ts";
import { aFile, everyFile, fill, opened, testFolder } from "./folder.ts";

async function closedState(count = 20): Promise<string> {
  const path = join(testFolder(), "uploads.json");
  const store = await opened(path);
  await fill(store, count);
  await store.close();
  return path;
}

function contents(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "latin1")]));
}

/** Refused, with nothing changed and nothing left beside it. */
async function refusal(path: string): Promise<StateStoreError> {
  const before = contents(join(path, ".."));
  const error = await new JsonStateStore(path).open().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StateStoreError);
  expect(contents(join(path, ".."))).toEqual(before);
  return error as StateStoreError;
}

describe("a file that is not ours", () => {
  test.each([
    ["text", "these are my notes\n".repeat(500)],
    ["JSON of somebody else", '{ "name": "my-package", "version": "1.0.0" }\n'],
    ["JSON that begins like ours", '{"bucketline":{"version":1},"mine":[\n'],
    ["no line at all", "x".repeat(10_000)],
    ["zeros", "\0".repeat(10_000)],
  ])("%s", async (_, text) => {
    const path = join(testFolder(), "uploads.json");
    writeFileSync(path, text);
    expect(await refusal(path)).toMatchObject({
      code: "STATE_CORRUPT",
      message: expect.stringContaining("uploads.json"),
    });
  });

  test("an empty one: what it held may have been a ledger", async () => {
    const path = await closedState();
    writeFileSync(path, "");
    expect(await refusal(path)).toMatchObject({ code: "STATE_CORRUPT", message: expect.stringContaining("is empty") });
  });

  test("one of a newer version", async () => {
    const path = await closedState();
    writeFileSync(path, readFileSync(path, "utf8").replace('"version":1', '"version":12'));
    const error = await refusal(path);
    expect(error).toMatchObject({ code: "STATE_NEWER", message: expect.stringMatching(/12.*Upgrade Bucketline/) });
  });
});

test("an edited state, and journals whose state is gone, are refused and left as they are", async () => {
  const path = await closedState();
  const whole = readFileSync(path, "utf8");
  writeFileSync(path, whole.replace('"size":100', '"size":101'));
  const edited = contents(join(path, ".."));
  await expect(new JsonStateStore(path).open()).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  // Each attempt takes a lock and releases it, which leaves an empty file of a higher number.
  const { "uploads.json": state, ...others } = contents(join(path, ".."));
  expect(state).toBe(edited["uploads.json"]);
  expect(Object.values(others)).toEqual([""]);
  writeFileSync(path, whole);
  const store = await opened(path);
  renameSync(path, `${path}.bak`);
  await expect(store.commit([{ before: null, after: aFile("late") }])).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  await expect(store.getUpload("u")).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  await store.close();
  await expect(new JsonStateStore(path).open()).rejects.toMatchObject({
    code: "STATE_CORRUPT",
    message: expect.stringMatching(/is missing, but uploads\.json\.journal\.\d+\.1/),
  });
  renameSync(`${path}.bak`, path);
  // The write that was refused had reached the journal: whether it happened is open.
  const files = await everyFile(await opened(path));
  expect(files.filter((file) => file.path !== "late")).toHaveLength(20);
});

test("a journal or a lock removed while the store is open is noticed by the next write", async () => {
  for (const kind of [".journal.", ".lock."]) {
    const path = await closedState();
    const store = await opened(path);
    const folder = join(path, "..");
    for (const name of readdirSync(folder)) if (name.includes(kind)) rmSync(join(folder, name));
    const commit = store.commit([{ before: null, after: aFile("late") }]);
    await expect(commit).rejects.toMatchObject({ code: kind === ".lock." ? "STATE_BUSY" : "STATE_CORRUPT" });
  }
});

describe("STATE_NOT_WRITABLE", () => {
  test("a path that is a folder, or leads through a file", async () => {
    const folder = testFolder();
    await expect(new JsonStateStore(folder).open()).rejects.toMatchObject({ code: "STATE_NOT_WRITABLE" });
    writeFileSync(join(folder, "file"), "");
    const path = join(folder, "file", "uploads.json");
    await expect(new JsonStateStore(path).open()).rejects.toMatchObject({ code: "STATE_NOT_WRITABLE" });
  });

  if (process.platform !== "win32") {
    test("a file or a folder without permission", async () => {
      const path = await closedState();
      const folder = join(path, "..");
      // Permissions do not bind root.
      const user = process.geteuid?.();
      const asNobody = async (run: () => Promise<void>) => {
        if (user === 0) process.seteuid?.(65_534);
        await run().finally(() => user === 0 && process.seteuid?.(0));
      };
      const attempt = (target: string) => new JsonStateStore(target).open().catch((error: unknown) => error);
      chmodSync(folder, 0o777);
      chmodSync(path, 0o444);
      await asNobody(async () => expect(await attempt(path)).toMatchObject({ code: "STATE_NOT_WRITABLE" }));
      chmodSync(path, 0o666);
      chmodSync(folder, 0o555);
      await asNobody(async () => {
        expect(await attempt(path)).toMatchObject({ code: "STATE_NOT_WRITABLE" });
        expect(await attempt(join(folder, "new.json"))).toMatchObject({ code: "STATE_NOT_WRITABLE" });
        expect(await attempt(join(folder, "sub", "new.json"))).toMatchObject({ code: "STATE_NOT_WRITABLE" });
      });
      chmodSync(folder, 0o700);
    });
  }

  test("after a refusal the same store may be opened once the cause is mended", async () => {
    const path = join(testFolder(), "uploads.json");
    mkdirSync(path);
    const store = new JsonStateStore(path);
    onTestFinished(() => store.close());
    await expect(store.open()).rejects.toMatchObject({ code: "STATE_NOT_WRITABLE" });
    await expect(store.getUpload("u")).rejects.toMatchObject({ code: "STATE_CLOSED" });
    rmdirSync(path);
    await store.open();
    expect(await store.getUpload("u")).toBeUndefined();
  });
});

test.each([
  ["ENOSPC", "STATE_FULL"],
  ["EDQUOT", "STATE_FULL"],
  ["EIO", "STATE_NOT_WRITABLE"],
  ["EROFS", "STATE_NOT_WRITABLE"],
  ["EACCES", "STATE_NOT_WRITABLE"],
])("%s is %s", (code, expected) => {
  const cause = Object.assign(new Error("write failed"), { code, syscall: "write" });
  expect(stateError(cause, "/x.json")).toMatchObject({
    code: expected,
    cause,
    message: expect.stringContaining("/x.json"),
  });
});

test("errors that are not the store's pass as they are", () => {
  const error = new Error("from take");
  expect(stateError(error, "x.json")).toBe(error);
  expect(stateError("text", "x.json")).toBe("text");
});

test.each([
  "",
  "a\0b",
  { path: "x", takeoverMs: 10 },
  { path: "x", takeoverMs: 3000.5 },
  { path: 7 as unknown as string },
])("wrong options are refused before anything is touched: %j", (options) => {
  expect(() => new JsonStateStore(options)).toThrow(InputError);
});

test("files are the owner's alone, folders too; a closed state is one readable file, whole JSON", async () => {
  const folder = testFolder();
  const path = join(folder, "a", "b", "uploads.json");
  const store = await opened(path);
  await fill(store, 3);
  for (const name of readdirSync(join(folder, "a", "b"))) {
    expect(statSync(join(folder, "a", "b", name)).mode & 0o777, name).toBe(0o600);
  }
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o700);
  await store.close();
  expect(readdirSync(join(folder, "a", "b")).sort()).toEqual(["uploads.json", "uploads.json.lock.1"]);
  const text = readFileSync(path, "utf8");
  const { uploads, files } = JSON.parse(text);
  expect([uploads.length, files.length]).toEqual([1, 3]);
  expect(text.split("\n").filter((line) => line.startsWith('{"uploadId":"u"'))).toHaveLength(3);
});

test("a copy of a closed state, alone, is a state", async () => {
  const path = await closedState();
  const copy = join(testFolder(), "copy.json");
  writeFileSync(copy, readFileSync(path));
  expect(await everyFile(await opened(copy))).toHaveLength(20);
});

test("a state behind a symbolic link is the same state, and stays where it is", async () => {
  const path = await closedState();
  const link = join(testFolder(), "link.json");
  symlinkSync(path, link);
  const store = await opened(link);
  await expect(new JsonStateStore(path).open()).rejects.toMatchObject({ code: "STATE_BUSY" });
  await store.commit([{ before: null, after: aFile("through the link") }]);
  await store.close();
  expect(await everyFile(await opened(path))).toHaveLength(21);
});
