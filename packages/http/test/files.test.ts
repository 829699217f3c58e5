import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fastify from "fastify";
import { afterEach, describe, expect, test } from "vitest";
import { bucketline } from "../src/index.ts";
import type { FileView } from "../src/schemas/file.ts";
import { fileIdOf, pathOfFileId, timeView } from "../src/views.ts";
import { Bed } from "./support/bed.ts";

let bed: Bed;
afterEach(() => bed?.close());

interface FileList {
  readonly files: FileView[];
  readonly next_cursor: string | null;
}

/** Uploads all that is below the root, once. */
async function uploadAll(): Promise<void> {
  await bed.create("", { upload_id: "u" });
  await bed.service.finished("u").catch(() => {});
}

const list = async (query = "") => (await bed.call<FileList>(`/api/v1/uploads/u/files?${query}`)).body;

async function pages(query: string): Promise<string[][]> {
  const found: string[][] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: FileList = await list(`${query}${cursor && `&cursor=${cursor}`}`);
    found.push(page.files.map(({ path }) => path));
    cursor = page.next_cursor;
  }
  return found;
}

describe("listing", () => {
  test("goes through the files page by page, in the order of their paths", async () => {
    bed = await Bed.open();
    for (const path of ["b/2", "a", "c", "b/1", "é"]) await bed.write(path);
    await uploadAll();
    expect((await pages("limit=2")).flat()).toEqual(["a", "b/1", "b/2", "c", "é"]);
    expect((await pages("limit=2")).every((page) => page.length <= 2)).toBe(true);
  });

  test("filters by state, and searches without regard to ASCII case", async () => {
    bed = await Bed.open();
    for (const path of ["Photos/One.JPG", "photos/two.jpg", "notes.txt"]) await bed.write(path);
    await uploadAll();
    expect((await pages("search=.jpg")).flat()).toEqual(["Photos/One.JPG", "photos/two.jpg"]);
    expect((await pages("search=.jpg&limit=1")).flat()).toEqual(["Photos/One.JPG", "photos/two.jpg"]);
    expect((await pages("state=UPLOADED")).flat()).toHaveLength(3);
    expect((await pages("state=FAILED,SKIPPED")).flat()).toEqual([]);
    for (const query of ["state=GONE", "search=", "limit=0", "order=size"])
      expect((await bed.call(`/uploads/u/files?${query}`)).status, query).toBe(400);
    expect((await bed.call("/uploads/nobody/files")).body).toMatchObject({ code: "UPLOAD_NOT_FOUND" });
  });

  test("says why a file failed", async () => {
    bed = await Bed.open();
    await bed.write("a");
    await bed.create("", { upload_id: "u", key_template: `${"k".repeat(1023)}/{path}` });
    await bed.service.finished("u").catch(() => {});
    const { files } = await list();
    expect(files).toMatchObject([{ state: "SKIPPED", reason: { code: "KEY_TOO_LONG", message: expect.any(String) } }]);
  });
});

describe("one file", () => {
  test("is found by its id, with its evidence and its timeline", async () => {
    bed = await Bed.open();
    await bed.write("deep/er/file.bin", "12345");
    await uploadAll();
    const [file] = (await list()).files;
    const shown = await bed.call(`/uploads/u/files/${file?.file_id}`);
    expect(shown).toMatchObject({
      status: 200,
      body: {
        path: "deep/er/file.bin",
        state: "UPLOADED",
        size: 5,
        key: "u/deep/er/file.bin",
        checksum: "crc32:cbf53a1c",
        etag: expect.any(String),
        uploaded_at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    });
    const { body } = await bed.call(`/uploads/u/files/${file?.file_id}/timeline`);
    expect(body.entries).toMatchObject([
      { what: "discovered" },
      { what: "uploaded", bytes: 5, key: "u/deep/er/file.bin" },
    ]);
  });

  test.each(["bm9ib2R5", "YQ==", "YR", "a.b", "*"])("that is not there is not found: %s", async (id) => {
    bed = await Bed.open();
    await bed.write("x");
    await uploadAll();
    for (const below of ["", "/timeline"])
      expect((await bed.call(`/uploads/u/files/${id}${below}`)).body).toMatchObject({
        code: "FILE_NOT_FOUND",
        status: 404,
      });
    expect((await bed.call(`/uploads/nobody/files/${fileIdOf("x")}`)).body).toMatchObject({ code: "UPLOAD_NOT_FOUND" });
  });

  test("may have any name", async () => {
    bed = await Bed.open();
    const names = [
      "<script>alert(1)</script>",
      "new\nline\r\nSet-Cookie: a=b",
      "\u202egpj.exe",
      '"; rm -rf',
      "%2e%2e",
      "ü\u0000".slice(0, 1),
    ];
    await mkdir(join(bed.root, "x"));
    for (const name of names) await writeFile(join(bed.root, "x", name.replaceAll("/", "\u2215")), "x");
    await uploadAll();
    const { files } = await list();
    expect(files.map(({ path }) => path.slice(2)).sort()).toEqual(
      names.map((name) => name.replaceAll("/", "\u2215")).sort(),
    );
    for (const { file_id, path } of files) {
      const shown = await bed.call<FileView>(`/uploads/u/files/${file_id}`);
      expect(shown.body.path).toBe(path);
      expect(shown.headers.get("set-cookie")).toBeNull();
      expect([...shown.headers.values()].join()).not.toContain("script");
    }
  });

  test("may have a path that is longer than a host's router takes by default", async () => {
    bed = await Bed.open();
    const path = `${"folder-with-a-long-name/".repeat(20)}${"f".repeat(200)}`;
    await bed.write(path);
    await uploadAll();
    const app = fastify();
    // biome-ignore lint/nursery/noMisusedPromises: Fastify waits for plugins that return a promise
    await app.register(bucketline, { service: bed.service, rateLimit: false });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    try {
      for (const base of [`${url}/api/v1`, url, bed.url]) {
        const response = await fetch(`${base}/uploads/u/files/${fileIdOf(path)}`);
        expect(await response.json()).toMatchObject({ path });
        const timeline = await fetch(`${base}/uploads/u/files/${fileIdOf(path)}/timeline/`);
        expect(await timeline.json()).toMatchObject({ entries: [{ what: "discovered" }, { what: "uploaded" }] });
        const below = await fetch(`${base}/uploads/u/files/${fileIdOf(path)}/nothing`);
        expect(below.status).toBe(404);
      }
    } finally {
      await app.close();
    }
  });
});

test("ids stand for paths, and only for one", () => {
  for (const path of ["a", "ä/ö", "a\nb", "x".repeat(4096)]) expect(pathOfFileId(fileIdOf(path))).toBe(path);
  for (const id of ["", "YQ=", "Y Q", "_w", "YR"]) expect(pathOfFileId(id), id).toBeUndefined();
});

test.each([
  [0, "1970-01-01T00:00:00.000Z"],
  [-1e15, "0000-01-01T00:00:00.000Z"],
  [8.64e15, "9999-12-31T23:59:59.999Z"],
  [1e300, "9999-12-31T23:59:59.999Z"],
])("any time a file claims can be written: %d", (ms, text) => {
  expect(timeView(ms)).toBe(text);
});
