import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { crc32Of, formatCrc32 } from "../src/checksum.ts";
import { type ListedObject, ObjectStoreError } from "../src/index.ts";
import { compileKeyTemplate } from "../src/keys.ts";
import { type FaultedCall, MemoryObjectStore } from "../src/testing/index.ts";
import { BUCKET, type Process } from "./support/bed.ts";
import { CLEAN, SharedWorld } from "./support/verification-bed.ts";

const ALWAYS = Number.POSITIVE_INFINITY;

let world: SharedWorld;
beforeEach(() => {
  world = new SharedWorld();
});
afterEach(async () => {
  await world.end();
});

/** Counts what is written to the ledger from now on. */
function writes({ state }: Process): () => number {
  const methods = ["commit", "updateUpload", "insertUpload", "claim"] as const;
  const count = { times: ALWAYS, run: ({ proceed }: FaultedCall) => proceed() };
  const counted = methods.map((method) => state.inject({ method, ...count } as never));
  return () => counted.reduce((sum, { fired }) => sum + fired, 0);
}

describe("what a verification finds", () => {
  test("nothing, where the bucket holds what the ledger says: one listing, no HEAD, nothing written", async () => {
    const process = await world.uploaded({ a: "1", "b/c": "2", "b/big": "0123456789abcdefghij", empty: "" });
    const written = writes(process);
    const { report, findings } = await world.verify(process);
    expect(report).toEqual({ ...CLEAN, checkedFiles: 4 });
    expect(findings).toEqual([]);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(process.calls("listObjects")).toBe(1);
    // Two belong to the multipart upload: one looked first, one confirmed.
    expect(process.calls("headObject")).toBe(2);
    expect(written()).toBe(0);
    expect(process.named("upload:verified")).toEqual([report]);
  });

  test("objects that are gone, overwritten, cut short, and one too many; and writes nothing", async () => {
    const process = await world.uploaded({ deleted: "12345", same: "12345", short: "12345", whole: "12345" });
    world.destroy("u/deleted");
    await world.overwrite("u/same", "54321");
    await world.overwrite("u/short", "123");
    await world.overwrite("u/somebody's", "x");
    const before = world.files();
    const written = writes(process);
    const { report, findings } = await world.verify(process);
    expect(report).toEqual({ ...CLEAN, checkedFiles: 4, missing: 1, different: 2, extra: 1 });
    const sent = { size: 5, etag: "827ccb0eea8a706c4c34a16891f84e7b", checksum: "crc32:cbf53a1c" };
    expect(findings).toEqual([
      { kind: "missing", path: "deleted", key: "u/deleted", expected: sent, found: null },
      {
        kind: "different",
        path: "same",
        key: "u/same",
        expected: sent,
        found: {
          size: 5,
          etag: "01cfcd4f6b8770febfb40cb906715822",
          checksum: formatCrc32(crc32Of(Buffer.from("54321"))),
        },
      },
      { kind: "different", path: "short", key: "u/short", expected: sent, found: expect.objectContaining({ size: 3 }) },
      {
        kind: "extra",
        path: null,
        key: "u/somebody's",
        expected: null,
        found: { size: 1, etag: "9dd4e461268c8034f5c8564e155c67a6", checksum: null },
      },
    ]);
    expect(JSON.parse(JSON.stringify(findings))).toEqual(findings);
    expect(written()).toBe(0);
    expect(world.files()).toEqual(before);
    expect((await process.service.get("u")).state).toBe("COMPLETED");
  });

  test("the same bytes under another ETag are no difference", async () => {
    const process = await world.uploaded({ a: "1" });
    world.disguise("u/a", { etag: "encrypted anew", token: "lost" });
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 1 });
    expect(process.calls("headObject")).toBe(1);
  });

  test("deep compares the checksum of an object whose size and ETag are right", async () => {
    const process = await world.uploaded({ a: "1", b: "2" });
    world.disguise("u/a", { checksum: "crc32:0badf00d" });
    expect((await world.verify(process)).report).toMatchObject({ different: 0 });
    const { report, kinds } = await world.verify(process, { deep: true });
    expect(report).toEqual({ ...CLEAN, checkedFiles: 2, different: 1 });
    expect(kinds).toEqual(["different u/a"]);
    expect(process.calls("headObject")).toBe(2);
  });

  test("an object of right size without checksum proves nothing under another ETag", async () => {
    const process = await world.uploaded({ a: "1", b: "2" });
    world.disguise("u/a", { checksum: undefined });
    world.disguise("u/b", { checksum: undefined, etag: "other" });
    const { kinds } = await world.verify(process, { deep: true });
    expect(kinds).toEqual(["different u/b"]);
  });

  test("a store without checksums is asked for our token where the ETag is another", async () => {
    for (const path of ["a", "b", "c"]) world.write(path, "1");
    const capabilities = { minPartSize: 1, checksums: false };
    const process = world.boot({ objects: new MemoryObjectStore({ state: world.buckets, capabilities }) });
    await process.upload();
    world.disguise("u/a", { etag: "other" });
    world.disguise("u/b", { etag: "other", token: "not ours" });
    world.disguise("u/c", { etag: "other", size: 9 });
    const { kinds } = await world.verify(process);
    expect(kinds).toEqual(["different u/b", "different u/c"]);
  });

  test("more than the ledger or the bucket gives at once, with losses at the seams", async () => {
    const names = Array.from({ length: 2_300 }, (_, index) => `f${String(index).padStart(4, "0")}`);
    const process = await world.uploaded(Object.fromEntries(names.map((name) => [name, "x"])));
    const lost = [0, 1, 998, 999, 1000, 1001, 1999, 2000, 2298, 2299].map((index) => `u/${names[index]}`);
    world.destroy(...lost);
    const extra = ["u/", "u/a", "u/f0500.bak", "u/f0999.bak", "u/z"];
    for (const key of extra) await world.overwrite(key, "x");
    await world.overwrite("u!", "not below our prefix");
    await world.overwrite("v/f0000", "another upload's");
    const { report, kinds } = await world.verify(process);
    expect(report).toEqual({ ...CLEAN, checkedFiles: 2_300, missing: 10, extra: 5 });
    expect(kinds.sort()).toEqual(
      [...extra.map((key) => `extra ${key}`), ...lost.map((key) => `missing ${key}`)].sort(),
    );
    expect(process.calls("listObjects")).toBe(3);
    expect(process.calls("headObject")).toBe(10);
  });

  test("keys beyond the basic plane are in the same order on both sides", async () => {
    const process = await world.uploaded({ "\uff5e": "1", "\u{1f5fb}": "2", "a!": "3", "a/b": "4", a0: "5" });
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 5 });
    expect(process.calls("headObject")).toBe(0);
    world.destroy("u/\uff5e");
    expect((await world.verify(process)).kinds).toEqual(["missing u/\uff5e"]);
    expect(process.calls("headObject")).toBe(1);
  });

  test("a store that lists in another order costs requests, not truth", async () => {
    const process = await world.uploaded({ a: "1", b: "2", c: "3", d: "4" });
    world.destroy("u/b");
    await world.overwrite("u/extra", "x");
    process.objects.inject({
      method: "listObjects",
      async *run({ proceed }: FaultedCall) {
        const all: ListedObject[] = [];
        for await (const object of proceed() as AsyncIterable<ListedObject>) all.push(object);
        yield* all.reverse();
      },
    });
    expect((await world.verify(process)).kinds).toEqual(["missing u/b", "extra u/extra"]);
  });

  test("only UPLOADED files are looked for; what the others have in the bucket is not extra", async () => {
    const process = await world.uploaded(
      { gone: "1", changed: "2", failing: "3", never: "4" },
      { overwrite: "always" },
    );
    world.remove("gone");
    world.write("changed", "22");
    world.write("failing", "33");
    const rejected = () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "no");
    process.objects.inject({ method: "putObject", before: rejected, when: ({ key }) => key === "u/failing" });
    await world.until(process.service.check("u"));
    await world.until(process.service.finished("u").catch(() => {}));
    world.write("changed", "222");
    await world.until(process.service.pause("u"));
    expect(world.files().map(({ path, state }) => `${path} ${state}`)).toEqual([
      "changed UPLOADED",
      "failing FAILED",
      "gone REMOVED",
      "never UPLOADED",
    ]);
    expect(Object.keys(world.bucket())).toEqual(["u/changed", "u/failing", "u/gone", "u/never"]);
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 2 });
  });

  test("an object that kept a file from being sent is not extra", async () => {
    await world.overwrite("u/a", "theirs");
    const process = await world.uploaded({ a: "1", b: "2" }, { overwrite: "never" });
    await process.expectFile("a", { state: "SKIPPED", key: "" });
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 1 });
  });
});

describe("key templates", () => {
  test.each([
    ["{id}/{path}", { prefix: "u/", ordered: true, exclusive: true }],
    ["backup/{id}/{path}", { prefix: "backup/u/", ordered: true, exclusive: true }],
    ["//x//{id}-copy//{path}", { prefix: "x/u-copy/", ordered: true, exclusive: true }],
    ["{id}-{path}", { prefix: "u-", ordered: true, exclusive: false }],
    ["backup/{path}", { prefix: "backup/", ordered: true, exclusive: false }],
    ["/{path}", { prefix: "", ordered: true, exclusive: false }],
    ["{path}", { prefix: "", ordered: true, exclusive: false }],
    ["{path}/{id}", { prefix: "", ordered: false, exclusive: false }],
    ["{id}/{path}.bak", { prefix: "u/", ordered: false, exclusive: true }],
    ["{id}/{yyyy}/{path}", { prefix: "u/", ordered: false, exclusive: true }],
    ["{id}{yyyy}/{path}", { prefix: "u", ordered: false, exclusive: false }],
    ["{id}/{dir}/{name}{ext}", { prefix: "u/", ordered: false, exclusive: true }],
    ["{yyyy}/{id}/{path}", { prefix: "", ordered: false, exclusive: false }],
  ])("%s", (template, expected) => {
    const compiled = compileKeyTemplate(template, "u");
    const { prefix, ordered, exclusive } = compiled;
    expect({ prefix, ordered, exclusive }).toEqual(expected);
    for (const path of ["a", "a/b.c", "d/e/f"]) {
      expect(compiled.key(path, 0n).startsWith(prefix)).toBe(true);
      if (ordered) expect(compiled.key(path, 0n)).toBe(prefix + path);
    }
  });

  test.each(["backup/{path}", "{path}"])(
    "without a folder of its own, extra objects cannot be told: %s",
    async (keyTemplate) => {
      const process = await world.uploaded({ a: "1", b: "2", c: "3" }, { keyTemplate });
      const prefix = keyTemplate.replace("{path}", "");
      for (const key of ["0", `${prefix}0`, `${prefix}b0`, `${prefix}z`]) await world.overwrite(key, "somebody else's");
      world.destroy(`${prefix}c`);
      await world.overwrite(`${prefix}a`, "!");
      const { report, kinds } = await world.verify(process);
      expect(report).toEqual({ ...CLEAN, checkedFiles: 3, missing: 1, different: 1, extra: null });
      expect(kinds).toEqual([`different ${prefix}a`, `missing ${prefix}c`]);
      expect(process.calls("listObjects")).toBe(1);
      expect(process.calls("headObject")).toBe(2);
      expect((await world.verify(process, { deep: true })).kinds).toEqual(kinds);
      // For nothing but HEADs, no listing is needed.
      expect(process.calls("listObjects")).toBe(1);
    },
  );

  test("a bucket full of other people's objects is not listed to its end", async () => {
    const process = await world.uploaded({ z1: "1", z2: "2" }, { keyTemplate: "{path}" });
    await world.overwrite("foreign", "x");
    for (let number = 0; number < 13_000; number++) world.disguise("foreign", {}, `f${number}`);
    world.destroy("z2");
    const { report } = await world.verify(process);
    expect(report).toEqual({ ...CLEAN, checkedFiles: 2, missing: 1, extra: null });
    expect(process.calls("listObjects")).toBe(11);
    expect(process.calls("headObject")).toBe(2);
  });

  test("keys in another order than the paths: each object is asked for, and each listed key looked up", async () => {
    const process = await world.uploaded(
      { "a/x": "1", "b/w": "2", c: "3", d: "4" },
      { keyTemplate: "{id}/{name}{ext}" },
    );
    world.remove("d");
    await world.until(process.service.check("u"));
    world.destroy("u/w");
    await world.overwrite("u/x", "!");
    await world.overwrite("u/extra", "?");
    const { report, kinds } = await world.verify(process);
    expect(report).toEqual({ ...CLEAN, checkedFiles: 3, missing: 1, different: 1, extra: 1 });
    expect(kinds).toEqual(["extra u/extra", "missing u/w", "different u/x"]);
    expect(process.calls("headObject")).toBe(3);
  });

  test("so many objects that nobody claims that they are looked up in several goes", async () => {
    const process = await world.uploaded({ a: "1", kept: "2", z: "3" }, { keyTemplate: "{id}/{name}{ext}" });
    for (const path of ["kept", "z"]) world.remove(path);
    await world.until(process.service.check("u"));
    for (let number = 0; number < 5_100; number++) world.disguise("u/a", {}, `u/f${number}`);
    const { report, kinds } = await world.verify(process);
    expect(report).toEqual({ ...CLEAN, checkedFiles: 1, extra: 5_100 });
    expect(new Set(kinds).size).toBe(5_100);
  });

  test("a file that is about to move to another key still accounts for the old one", async () => {
    const process = await world.uploaded({ a: "1" }, { keyTemplate: "{id}/{yyyy}/{path}", mode: "watch" });
    const [old] = Object.keys(world.bucket());
    const held = process.objects.inject({ method: "putObject", hang: "before" });
    world.write("a", "2");
    world.touch("a", -400 * 86_400_000);
    await world.until(process.service.check("u"));
    await world.until(() => held.fired === 1);
    expect(world.files()[0]?.key).not.toBe(old);
    expect((await world.verify(process)).report).toEqual({ ...CLEAN, checkedFiles: 0 });
    await world.until(process.service.cancel("u"));
  });
});
