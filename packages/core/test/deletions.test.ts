import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FileRecord, SourceError, type SourceRoot } from "../src/index.ts";
import { BUCKET, SOURCE } from "./support/bed.ts";
import { DeletionBed } from "./support/deletion-bed.ts";

const MINUTE = 60_000;
const ALWAYS = Number.POSITIVE_INFINITY;

let bed: DeletionBed;
beforeEach(() => {
  bed = new DeletionBed();
});
afterEach(async () => {
  await bed.world.end();
});

describe("onSourceDelete", () => {
  test("keep: the object stays", async () => {
    await bed.start({ onSourceDelete: "keep" });
    bed.world.remove("a");
    await bed.check();
    expect(bed.keys()).toEqual(["u/a", "u/d/b", "u/keep"]);
    expect(bed.process.calls("deleteObject")).toBe(0);
  });

  test("delete: the object goes, and nothing else; told when it is recorded", async () => {
    await bed.start();
    const toldOf: (FileRecord | undefined)[] = [];
    bed.process.service.on("file:deleted", ({ path }) => void toldOf.push(bed.record(path)));
    bed.world.remove("a");
    await bed.check();
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
    expect(bed.record("a")).toMatchObject({ state: "REMOVED", evidence: null, key: "" });
    expect(bed.process.named("file:deleted")).toMatchObject([
      { uploadId: "u", path: "a", key: "u/a", state: "REMOVED" },
    ]);
    expect(toldOf).toMatchObject([{ evidence: null }]);
  });

  test("delete: also in once mode, before the upload is done", async () => {
    await bed.start({ mode: "once" });
    bed.world.remove("a");
    await bed.check();
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
  });

  test("a file that is back is sent again, and may be removed again", async () => {
    await bed.start();
    bed.world.remove("a");
    await bed.check();
    bed.world.write("a", "a");
    await bed.check();
    await bed.world.until(() => bed.world.bucket()["u/a"] === "a" && bed.record("a")?.state === "UPLOADED");
    bed.world.remove("a");
    await bed.check();
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
  });

  test("a folder in the place of the file does not keep the object; anything else does", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.world.write("a/inside", "new");
    bed.world.remove("d/b");
    bed.world.volume.symlinkSync(`${SOURCE}/keep`, `${SOURCE}/d/b`);
    await bed.check();
    await bed.world.until(() => bed.world.bucket()["u/a/inside"] === "new");
    expect(bed.keys()).toEqual(["u/a/inside", "u/d/b", "u/keep"]);
    expect(bed.record("d/b")).toMatchObject({ state: "SKIPPED" });
  });

  test("an object that is gone already counts as deleted", async () => {
    await bed.start();
    await bed.world.store.deleteObject({ bucket: BUCKET, key: "u/a", ifMatch: bed.record("a")?.evidence?.etag ?? "" });
    bed.world.remove("a");
    await bed.check();
    expect(bed.record("a")).toMatchObject({ evidence: null });
    expect(bed.process.named("warning")).toEqual([]);
  });
});

describe("the guard", () => {
  test("beyond the number nothing is deleted, scan after scan, until somebody allows it for once", async () => {
    await bed.startWithMany(6, { deleteLimit: { files: 2 } });
    bed.removeMany(3);
    await bed.check();
    await bed.check();
    expect(bed.keys()).toHaveLength(9);
    expect(bed.warnings("DELETE_REFUSED")).toHaveLength(2);
    expect(bed.warnings("DELETE_REFUSED")[0]).toMatchObject({
      uploadId: "u",
      message: expect.stringContaining("3 of 9"),
    });
    await bed.check({ allowDeletes: true });
    expect(bed.keys()).toHaveLength(6);
    bed.world.remove("many/3");
    bed.world.remove("many/4");
    bed.world.remove("many/5");
    await bed.check();
    expect(bed.keys()).toHaveLength(6);
  });

  test("from ten on the share counts", async () => {
    await bed.startWithMany(20);
    bed.removeMany(12);
    await bed.check();
    expect(bed.warnings("DELETE_REFUSED")).toHaveLength(1);
    for (let index = 0; index < 3; index++) bed.world.write(`many/${index}`, `${index}`);
    await bed.check();
    await bed.world.until(() => bed.process.named("file:uploaded").length === 26);
    await bed.check();
    expect(bed.keys()).toHaveLength(14);
    expect(bed.due()).toBe(0);
  });

  test("a check that allows deletes does not settle for a scan under way that does not", async () => {
    await bed.startWithMany(3, { deleteLimit: { files: 0 } });
    bed.removeMany(3);
    const checks = [bed.process.service.check("u"), bed.process.service.check("u", { allowDeletes: true })];
    await bed.world.until(Promise.all(checks));
    expect(bed.keys()).toHaveLength(3);
  });

  test("what becomes due after they were counted waits for the next scan", async () => {
    await bed.startWithMany(3, { deleteLimit: { files: 2 } });
    bed.removeMany(2);
    bed.whenListed(2, async () => {
      bed.world.remove("many/2");
      await bed.recordAsRemoved("many/2");
    });
    await bed.check();
    expect(bed.world.bucket()["u/many/2"]).toBe("2");
    expect(bed.keys()).toHaveLength(4);
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
  });
});

describe("a folder that is not to be believed", () => {
  /** As when a disk is unmounted: its mount point shows. */
  function unmount(): () => void {
    bed.world.volume.renameSync(SOURCE, "/disk");
    bed.world.volume.mkdirSync(SOURCE);
    return () => {
      bed.world.volume.rmSync(SOURCE, { recursive: true });
      bed.world.volume.renameSync("/disk", SOURCE);
    };
  }

  test("empty all of a sudden", async () => {
    await bed.start();
    const remount = unmount();
    await bed.check();
    remount();
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
  });

  test("empty, with removals that are still due", async () => {
    await bed.startWithMany(1, { deleteLimit: { files: 0 } });
    for (const path of ["a", "d/b", "keep", "many/0"]) bed.world.remove(path);
    await bed.check({ trustFolder: true });
    expect(bed.due()).toBe(4);
    await bed.check({ allowDeletes: true });
    expect(bed.keys()).toHaveLength(4);
    await bed.check({ allowDeletes: true, trustFolder: true });
    expect(bed.keys()).toEqual([]);
  });

  test("on another device, with removals that are still due", async () => {
    await bed.start({ deleteLimit: { files: 0 } });
    bed.world.remove("a");
    await bed.check();
    const before = await bed.process.state.port.getUpload("u");
    if (!before?.lastScan) throw new Error("There is no scan.");
    const after = { ...before, lastScan: { ...before.lastScan, device: "another" }, revision: before.revision + 1 };
    await bed.process.state.port.updateUpload(before, after);
    await bed.check({ allowDeletes: true });
    expect(bed.keys()).toHaveLength(3);
    await bed.check({ allowDeletes: true });
    expect(bed.keys()).toHaveLength(2);
  });

  test("gone altogether", async () => {
    await bed.start();
    bed.world.volume.renameSync(SOURCE, "/disk");
    expect(await bed.check()).toBeUndefined();
    bed.world.volume.renameSync("/disk", SOURCE);
    expect(bed.keys()).toHaveLength(3);
  });

  test("partly unreadable: not even what was seen to be gone", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.process.fileSystem.inject({
      method: "openRoot",
      run: async ({ proceed }) => {
        const root = (await proceed()) as SourceRoot;
        const readFolder = async (path: string) => {
          if (path === "d") throw new SourceError("SOURCE_NOT_READABLE", "made unreadable");
          return await root.readFolder(path);
        };
        const { path, facts } = root;
        return { path, facts, readFolder, stat: root.stat.bind(root), open: root.open.bind(root) };
      },
    });
    expect(await bed.check()).toMatchObject({ complete: false, removed: 1 });
    expect(bed.keys()).toHaveLength(3);
    await bed.check();
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
  });

  test("unmounted when the scan has just ended", async () => {
    await bed.start();
    bed.world.remove("a");
    let remount = () => {};
    bed.whenListed(1, () => {
      remount = unmount();
    });
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
    expect(bed.process.named("warning").at(-1)).toMatchObject({ code: "SOURCE_NOT_READABLE", uploadId: "u" });
    remount();
    await bed.check();
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
  });

  test("unmounted when the scan has just ended, with a folder of the file's name below", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.whenListed(1, () => {
      unmount();
      bed.world.volume.mkdirSync(`${SOURCE}/a`);
    });
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
  });

  test("without its marker when the scan has just ended", async () => {
    bed.world.write(".disk", "");
    await bed.start({ rootMarker: ".disk" });
    bed.world.remove("a");
    bed.whenListed(1, () => bed.world.remove(".disk"));
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
  });
});

describe("what it costs", () => {
  /** Counts the times the removed files are looked through. */
  function looks(): () => number {
    const rule = bed.process.state.inject({
      method: "listFiles",
      times: ALWAYS,
      when: (_, page) => page.states?.[0] === "REMOVED" && page.after === undefined,
      run: ({ proceed }) => proceed(),
    });
    return () => rule.fired;
  }

  test("nothing, as long as nothing can have become due", async () => {
    await bed.start();
    bed.world.remove("a");
    const count = looks();
    await bed.check();
    expect(count()).toBe(2);
    await bed.check();
    await bed.check();
    expect(count()).toBe(2);
    bed.world.remove("d/b");
    await bed.check();
    expect(count()).toBe(4);
    expect(bed.keys()).toEqual(["u/keep"]);
  });

  test("one more and one fewer are not taken for none", async () => {
    await bed.start();
    bed.world.remove("a");
    await bed.check();
    bed.world.write("a", "a");
    bed.world.remove("d/b");
    await bed.check();
    await bed.world.until(() => bed.record("a")?.state === "UPLOADED");
    expect(bed.keys()).toEqual(["u/a", "u/keep"]);
  });

  test("a file that another service's worker removes is found by the number of removed files", async () => {
    await bed.start();
    await bed.check();
    const count = looks();
    await bed.recordAsRemoved("a");
    bed.world.remove("a");
    await bed.check();
    expect(count()).toBe(2);
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
  });

  test("after an hour, and after a scan by somebody else, it looks again", async () => {
    await bed.start();
    await bed.check();
    const count = looks();
    await bed.check();
    expect(count()).toBe(0);
    await bed.world.clock.advance(61 * MINUTE);
    await bed.check();
    expect(count()).toBe(1);
    const other = bed.boot();
    await other.service.start();
    await bed.world.until(other.service.check("u"));
    await bed.check();
    expect(count()).toBe(2);
  });
});
