import { chmodSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openBed, until } from "./bed.ts";
import { canMount, UploaderProcess } from "./process.ts";

interface View {
  readonly state: string;
  readonly reason: { readonly code: string } | null;
  readonly lastScan: { readonly complete: boolean } | null;
  readonly files: readonly {
    readonly path: string;
    readonly state: string;
    readonly reason: { readonly code: string } | null;
  }[];
}

const stateOf = (view: View, path: string) => view.files.find((file) => file.path === path);

test("unreadable files and folders: said, nothing else held up, sent once they can be read", async () => {
  const bed = await openBed();
  bed.write("open", "1");
  bed.write("closed", "2");
  bed.write("folder/inside", "3");
  const lock = (mode: number) => {
    chmodSync(bed.path("closed"), mode);
    chmodSync(bed.path("folder"), mode === 0 ? 0 : 0o755);
  };
  for (const folder of [bed.home, bed.source]) chmodSync(folder, 0o755);
  mkdirSync(join(bed.home, "state"), { mode: 0o777 });
  chmodSync(join(bed.home, "state"), 0o777);
  lock(0);
  // Permissions do not bind root.
  const uid = process.getuid?.() === 0 ? { uid: 65_534 } : {};
  const uploader = new UploaderProcess(bed, { ...uid, upload: { mode: "once" } });
  await uploader.do("start");
  expect(await uploader.ask("finished")).toMatchObject({ event: "refused", code: "UPLOAD_FAILED" });
  const before = await uploader.do<View>("view");
  expect(before.lastScan?.complete).toBe(false);
  expect(stateOf(before, "open")?.state).toBe("UPLOADED");
  expect(stateOf(before, "closed")).toMatchObject({ state: "FAILED", reason: { code: "SOURCE_NOT_READABLE" } });
  expect(uploader.told).toContainEqual(
    expect.objectContaining({ event: "warning", message: expect.stringMatching(/folder.*EACCES/) }),
  );
  lock(0o644);
  await uploader.do("check");
  await uploader.do("retry");
  await uploader.do("finished");
  expect(await bed.contents()).toEqual({ open: "1", closed: "2", "folder/inside": "3" });
});

test(`a folder that is unmounted is not taken for a deletion (${canMount ? "tmpfs" : "renamed away"})`, async () => {
  const bed = await openBed();
  const disk = join(bed.home, "disk");
  mkdirSync(disk);
  const { source } = bed;
  const wrapper = canMount ? ["unshare", "-rm"] : [];
  const mount = canMount ? `mount --bind ${disk} ${source}` : `rmdir ${source} && mv ${disk} ${source}`;
  const unmount = canMount ? `umount -l ${source}` : `mv ${source} ${disk} && mkdir ${source}`;
  const uploader = new UploaderProcess(bed, { wrapper });
  if (canMount) await uploader.do(`shell mount -t tmpfs none ${disk}`);
  await uploader.do(`shell ${mount} && printf 1 > ${source}/one && printf 2 > ${source}/two`);
  await uploader.do("start");
  await uploader.do("finished");
  await uploader.do(`shell ${unmount}`);
  await uploader.hear(({ message }) => message?.includes("is empty although files are known") ?? false);
  await uploader.do("check");
  expect((await uploader.do<View>("view")).files.map(({ state }) => state)).toEqual(["UPLOADED", "UPLOADED"]);
  await uploader.do(`shell ${mount} && printf 3 > ${source}/three`);
  await uploader.hear(({ event, path }) => event === "uploaded" && path === "three");
  expect(uploader.told.filter(({ event }) => event === "removed")).toEqual([]);
  expect(
    bed
      .requests("PutObject")
      .map(({ key }) => key)
      .toSorted(),
  ).toEqual(["one", "three", "two"]);
  expect(await bed.contents()).toEqual({ one: "1", two: "2", three: "3" });
});

describe("a folder that goes away and comes back", () => {
  test("while its files are being sent: none is taken for removed", async () => {
    const bed = await openBed();
    const files = bed.writeMany(20);
    const away = join(bed.home, "away");
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      nth: 5,
      action: () => {
        renameSync(bed.source, away);
        return undefined;
      },
    });
    const station = bed.service({ concurrency: 2, requeueFailedAfter: 30 });
    await station.begin({ mode: "watch" });
    await until(() => station.warnings.some(({ code }) => code === "SOURCE_NOT_FOUND"));
    expect(fault.fired).toBe(1);
    renameSync(away, bed.source);
    await until(() => station.uploaded.length === 20);
    await until(async () => (await station.service.get("u")).state === "COMPLETED");
    expect(station.removed).toEqual([]);
    await station.expectWhole(files);
  });

  test("between two scans: FAILED with the reason, then on again", async () => {
    const bed = await openBed();
    bed.write("first", "1");
    const away = join(bed.home, "away");
    const station = bed.service();
    await station.upload({ mode: "watch" });
    renameSync(bed.source, away);
    await until(async () => (await station.service.get("u")).reason?.code === "SOURCE_NOT_FOUND");
    renameSync(away, bed.source);
    bed.write("second", "2");
    await until(() => station.uploaded.includes("second"));
    await until(async () => (await station.service.get("u")).state === "COMPLETED");
    expect(bed.requests("PutObject")).toHaveLength(2);
    await station.expectWhole({ first: "1", second: "2" });
  });
});

describe("EMFILE: descriptors run out", () => {
  test.each([
    ["none is left", 0],
    ["a few are left", 6],
  ])("%s: nothing is lost, and all arrives when there are some again", async (_, spare) => {
    const bed = await openBed();
    bed.write("before", "0");
    // Exec, so that the limit is the process's own and the shell is gone.
    const wrapper = ["sh", "-c", 'ulimit -n 80 && exec "$@"', "sh"];
    const uploader = new UploaderProcess(bed, { wrapper, service: { concurrency: 16 } });
    await uploader.do("start");
    await uploader.do("finished");
    expect(await uploader.do<number>(`hoard ${spare}`)).toBeGreaterThan(10);
    const files = bed.writeMany(40);
    await uploader.hear(({ message }) => message?.includes("EMFILE") ?? false);
    await uploader.do("release");
    const uploaded = () => uploader.told.filter(({ event }) => event === "uploaded").length;
    await uploader.hear(() => uploaded() === 41);
    expect(uploader.told.filter(({ event }) => event === "removed")).toEqual([]);
    expect(await bed.contents()).toEqual({ ...files, before: "0" });
  });
});
