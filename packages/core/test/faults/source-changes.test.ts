import { appendFileSync, renameSync, statSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type FileSystem, NodeFileSystem } from "../../src/index.ts";
import { type Bed, openBed, PART, patterned } from "./bed.ts";

/** The machine's files; `afterRead` runs when bytes of a file have been read, before anybody looks at it again. */
function spied(afterRead: (path: string) => void): FileSystem {
  const inner = new NodeFileSystem();
  return {
    async openRoot(folder) {
      const root = await inner.openRoot(folder);
      return {
        path: root.path,
        facts: root.facts,
        readFolder: (path) => root.readFolder(path),
        stat: (path, options) => root.stat(path, options),
        async open(path, options) {
          const file = await root.open(path, options);
          return {
            stat: () => file.stat(),
            close: () => file.close(),
            async read(target, position) {
              const count = await file.read(target, position);
              afterRead(path);
              return count;
            },
          };
        },
      };
    },
  };
}

interface Change {
  readonly apply: (path: string, bed: Bed) => void;
  /** What the bucket must hold in the end. */
  readonly expected: (before: Buffer) => Buffer | undefined;
}

const flipped = (before: Buffer) => Buffer.from(before.map((byte) => byte ^ 0xff));

const CHANGES: Readonly<Record<string, Change>> = {
  grows: {
    apply: (path) => appendFileSync(path, "and more"),
    expected: (before) => Buffer.concat([before, Buffer.from("and more")]),
  },
  "is truncated": {
    apply: (path) => truncateSync(path, 10),
    expected: (before) => before.subarray(0, 10),
  },
  "is emptied": {
    apply: (path) => truncateSync(path, 0),
    expected: () => Buffer.alloc(0),
  },
  "is rewritten with the same size and its old time": {
    apply: (path) => {
      const { atimeNs, mtimeNs, size } = statSync(path, { bigint: true });
      writeFileSync(path, flipped(patterned(Number(size))));
      utimesSync(path, Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9);
    },
    expected: flipped,
  },
  "is replaced by a rename": {
    apply: (path, bed) => {
      writeFileSync(`${bed.home}/next`, "another file");
      renameSync(`${bed.home}/next`, path);
    },
    expected: () => Buffer.from("another file"),
  },
  "is deleted": {
    apply: (path) => unlinkSync(path),
    expected: () => undefined,
  },
};

describe.each([
  ["a small file", PART - 100],
  ["a file in parts", 5 * PART + 17],
])("%s", (_, size) => {
  test.each(Object.keys(CHANGES))("that %s while it is being read: what arrives is one version of it", async (name) => {
    const { apply, expected } = CHANGES[name] as Change;
    const bed = await openBed();
    const before = patterned(size);
    bed.write("changing", before);
    bed.write("other", "untouched");
    let changed = 0;
    const fileSystem = spied((path) => {
      if (path !== "changing" || changed > 0) return;
      changed++;
      apply(bed.path(path), bed);
    });
    // The kernel's file times move in steps; the change must not fall into the step of the writing.
    await setTimeout(20);
    const station = bed.service({ fileSystem, partConcurrency: 1 });
    await station.upload();
    expect(changed).toBe(1);
    expect(station.retries).toMatchObject([{ path: "changing", reason: { code: "SOURCE_CHANGED" } }]);
    const content = expected(before);
    await station.expectWhole({ other: "untouched", ...(content ? { changing: content } : {}) });
    if (!content) expect(station.removed).toEqual(["changing"]);
  });
});

test.each(Object.keys(CHANGES))("a file that %s while its parts are on the wire", async (name) => {
  const { apply, expected } = CHANGES[name] as Change;
  const bed = await openBed();
  const before = patterned(5 * PART + 17);
  bed.write("changing", before);
  await setTimeout(20);
  const fault = bed.sandbox.fault({
    operation: "UploadPart",
    nth: 3,
    action: () => {
      apply(bed.path("changing"), bed);
      return undefined;
    },
  });
  const station = bed.service();
  await station.upload();
  expect(fault.fired).toBe(1);
  expect(station.retries).toMatchObject([{ reason: { code: "SOURCE_CHANGED" } }]);
  const content = expected(before);
  await station.expectWhole(content ? { changing: content } : {});
});

test("a small file that changes while it is on the wire: the version that was read arrives, a watched folder sends the next", async () => {
  const bed = await openBed();
  bed.write("changing", "first version");
  await setTimeout(20);
  const fault = bed.sandbox.fault({
    operation: "PutObject",
    action: () => {
      bed.write("changing", "second version");
      return undefined;
    },
  });
  const station = bed.service();
  await station.begin({ mode: "watch" });
  while (station.uploaded.length < 2) await setTimeout(5);
  expect(fault.fired).toBe(1);
  await station.service.finished("u");
  await station.expectWhole({ changing: "second version" });
});

test("a file that is never at rest is FAILED in the end, no byte of it was shown, and others are not held up", async () => {
  const bed = await openBed();
  bed.write("log", patterned(3 * PART));
  bed.write("other", "untouched");
  let appended = 0;
  const fileSystem = spied((path) => {
    if (path === "log") appendFileSync(bed.path("log"), `line ${appended++}\n`);
  });
  await setTimeout(20);
  const station = bed.service({ fileSystem, retry: { attempts: 3, baseMs: 2, capMs: 4 } });
  await expect(station.upload()).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
  expect(appended).toBeGreaterThan(3);
  expect(await station.file("log")).toMatchObject({ state: "FAILED", reason: { code: "SOURCE_CHANGED" } });
  expect(await bed.contents()).toEqual({ other: "untouched" });
});
