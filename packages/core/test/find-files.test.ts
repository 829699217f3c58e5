import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FindOptions } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

let world: World;
let process: Process;
beforeEach(() => {
  world = new World();
  process = world.boot();
});
afterEach(async () => {
  await world.end();
});

const find = async (options: FindOptions = {}) => {
  const { files, next } = await world.until(process.service.findFiles("u", options));
  return { paths: files.map(({ path }) => path), next };
};

/** Records without files: quicker than uploading as many. */
async function ledgerOf(paths: readonly string[]): Promise<void> {
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
  for (const path of paths) world.write(path, "x");
  await world.until(process.service.start());
  await world.until(process.service.finished("u"));
}

describe("file", () => {
  test("is the record, with the parts that the bucket has of a transfer under way", async () => {
    world.write("big", "0123456789abcdefghij");
    const held = process.objects.inject({ method: "uploadPart", nth: 3, hang: "before" });
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await process.service.start();
    await world.until(() => held.fired === 1 && process.named("file:progress").length === 2);
    const { file, parts } = await process.service.file("u", "big");
    expect(file).toMatchObject({ uploadId: "u", path: "big", state: "IN_PROGRESS", size: 20 });
    expect(parts).toMatchObject([
      { partNumber: 1, size: 8 },
      { partNumber: 2, size: 8 },
    ]);
    await world.until(process.service.cancel("u"));
  });

  test("has no parts once it is uploaded", async () => {
    await ledgerOf(["a", "big-enough-for-parts"]);
    expect(await process.service.file("u", "a")).toMatchObject({ file: { state: "UPLOADED" }, parts: [] });
  });

  test("that is unknown, of an upload that is known or not", async () => {
    await ledgerOf(["a"]);
    for (const path of ["b", "", "a/", "A"]) {
      const unknown = { name: "UploadError", code: "FILE_NOT_FOUND", message: expect.stringContaining(`"${path}"`) };
      await expect(process.service.file("u", path)).rejects.toMatchObject(unknown);
    }
    await expect(process.service.file("v", "a")).rejects.toMatchObject({ code: "UPLOAD_NOT_FOUND" });
  });
});

describe("findFiles", () => {
  test("finds a part of a path, whatever the case of its ASCII letters, and takes nothing for a pattern", async () => {
    await ledgerOf([
      "Holiday/IMG_1.JPG",
      "holiday/img_2.jpg",
      "été/a",
      "ÉTÉ/b",
      "dots.txt",
      "dotsxtxt",
      "a*b",
      "\u212a-kelvin",
    ]);
    expect(await find({ contains: "hOLiDay/img" })).toEqual({
      paths: ["Holiday/IMG_1.JPG", "holiday/img_2.jpg"],
      next: null,
    });
    expect((await find({ contains: "é" })).paths).toEqual(["été/a"]);
    expect((await find({ contains: "s.T" })).paths).toEqual(["dots.txt"]);
    expect((await find({ contains: "*" })).paths).toEqual(["a*b"]);
    expect((await find({ contains: "k-" })).paths).toEqual([]);
    expect(await find({ contains: "nothing of the kind" })).toEqual({ paths: [], next: null });
  });

  test("without it, is a plain page with where to go on", async () => {
    await ledgerOf(["a", "b", "c"]);
    expect(await find()).toEqual({ paths: ["a", "b", "c"], next: null });
    expect(await find({ limit: 2 })).toEqual({ paths: ["a", "b"], next: "b" });
    expect(await find({ limit: 2, after: "b" })).toEqual({ paths: ["c"], next: null });
    expect(await find({ contains: "", limit: 1, after: "b" })).toMatchObject({ paths: ["c"] });
  });

  test("only in some states", async () => {
    world.write("gone", "x");
    await ledgerOf(["a1", "a2"]);
    world.remove("gone");
    await world.until(process.service.check("u"));
    expect((await find({ states: ["REMOVED"] })).paths).toEqual(["gone"]);
    expect((await find({ states: ["UPLOADED"], contains: "A" })).paths).toEqual(["a1", "a2"]);
  });

  test.each([
    ["one by one", { limit: 1 }],
    ["a few records a call", { examine: 7 }],
    ["one record a call", { examine: 1 }],
    ["at once", {}],
    ["more than a slice of the ledger, few matches", { limit: 9, examine: 650 }],
  ])("goes through everything, each file once: %s", async (_, page) => {
    const paths = Array.from({ length: 60 }, (__, n) => `f${String(n).padStart(3, "0")}${n % 7 === 0 ? "-Match" : ""}`);
    await ledgerOf(paths);
    const found: string[] = [];
    let after: string | null = "";
    for (let calls = 0; after !== null && calls < 100; calls++) {
      const { paths: some, next } = await find({ ...page, contains: "match", ...(after !== "" && { after }) });
      expect(some.length).toBeLessThanOrEqual((page as FindOptions).limit ?? 100);
      found.push(...some);
      after = next;
    }
    expect(after).toBeNull();
    expect(found).toEqual(paths.filter((path) => path.endsWith("Match")));
  });

  test("reads no more than it may, in slices, and lets others have their turn between them", async () => {
    await ledgerOf(["a"]);
    const template = world.files()[0];
    const pages: number[] = [];
    let reached = 0;
    process.state.inject({
      method: "listFiles",
      times: Number.POSITIVE_INFINITY,
      run: ({ args }) => {
        const { limit } = args[1] as { limit: number };
        pages.push(limit);
        return Promise.resolve(Array.from({ length: limit }, () => ({ ...template, path: `f${reached++}` })));
      },
    });
    const searching = process.service.findFiles("u", { contains: "none", examine: 1_200 });
    let done = false;
    void searching.then(() => (done = true));
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    // Time stands still in this world: it waits for its next turn.
    expect([pages, done]).toEqual([[500], false]);
    expect(await world.until(searching)).toEqual({ files: [], next: "f1199" });
    expect(pages).toEqual([500, 500, 200]);
  });

  test.each([{ limit: 0 }, { limit: 1.5 }, { examine: 0 }, { contains: 1 }])("%j is refused", async (options) => {
    await ledgerOf(["a"]);
    await expect(find(options as unknown as FindOptions)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  test("of an unknown upload", async () => {
    await expect(process.service.findFiles("none")).rejects.toMatchObject({ code: "UPLOAD_NOT_FOUND" });
  });
});
