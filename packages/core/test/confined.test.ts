import * as nodeFs from "node:fs";
import { mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createFsFromVolume, Volume } from "memfs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { withinRoots } from "../src/decorators/confined.ts";
import {
  type FileSystem,
  type FsLike,
  NodeFileSystem,
  type ServiceOptions,
  systemClock,
  UploadService,
} from "../src/index.ts";
import {
  FakeFolderWatcher,
  faulty,
  MemoryBuckets,
  MemoryObjectStore,
  MemoryState,
  MemoryStateStore,
} from "../src/testing/index.ts";

const SECRET = "SECRET";
const refused = { name: "SourceError", code: "SOURCE_NOT_ALLOWED" };

let outer: string;
let allowed: string;
let outside: string;
beforeEach(async () => {
  outer = await realpath(await mkdtemp(join(tmpdir(), "bucketline-confined-")));
  allowed = join(outer, "data");
  outside = join(outer, "outside");
  await mkdir(join(allowed, "photos/2026"), { recursive: true });
  await mkdir(join(outside, "photos/2026"), { recursive: true });
  await mkdir(join(outer, "data2"));
  for (const folder of ["photos", "photos/2026"]) {
    await writeFile(join(allowed, folder, "a"), "inside");
    await writeFile(join(outside, folder, "a"), SECRET);
    await writeFile(join(outside, folder, "b"), SECRET);
  }
  await writeFile(join(outer, "data2/a"), SECRET);
});
afterEach(async () => {
  await rm(outer, { recursive: true, force: true });
});

const open = (path: string, roots = [allowed], inner: FileSystem = new NodeFileSystem()) =>
  withinRoots(inner, roots).openRoot(path);

/** Puts a link to `target` where `path` was, in two steps, as somebody with access to the folder might. */
async function swap(path: string, target: string): Promise<void> {
  await rename(path, `${path}.away`);
  await symlink(target, path);
}

describe("what lies inside", () => {
  test.each([
    ["an allowed root itself", "data"],
    ["a folder in it", "data/photos"],
    ["by way of ..", "data/../data/photos/2026/.."],
    ["by way of .. from outside", "outside/../data/photos"],
  ])("%s", async (_, path) => {
    const root = await open(`${outer}/${path}`);
    expect(root.path.startsWith(allowed)).toBe(true);
    expect((await root.readFolder("")).map(({ name }) => name)).toContain(path === "data" ? "photos" : "a");
  });

  test("a link from outside, and one of several roots that is a link itself", async () => {
    await symlink(join(allowed, "photos"), join(outer, "link"));
    await symlink(allowed, join(outer, "root"));
    expect((await open(join(outer, "link"))).path).toBe(join(allowed, "photos"));
    expect((await open(join(allowed, "photos"), ["/nowhere", join(outer, "root")])).path).toBe(join(allowed, "photos"));
    expect((await open(join(outer, "root/photos"), [join(outer, "root")])).path).toBe(join(allowed, "photos"));
  });

  test("a relative root, and the root of everything", async () => {
    expect((await open(allowed, [relative(process.cwd(), allowed)])).path).toBe(allowed);
    expect((await open(outside, ["/"])).path).toBe(outside);
  });

  test("is the inner file system's own root, and its own error", async () => {
    const inner = new NodeFileSystem();
    const root = await inner.openRoot(allowed);
    const same: FileSystem = { openRoot: async () => root, realPath: (path) => inner.realPath(path) };
    expect(await open(allowed, [allowed], same)).toBe(root);
    await expect(open(join(allowed, "none/at/all"))).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    await expect(open(join(allowed, "photos/a"))).rejects.toMatchObject({ code: "SOURCE_NOT_A_FOLDER" });
  });
});

describe("what lies outside is refused, and in the same words whether it exists or not", () => {
  test.each([
    ["a folder, or none", "outside", "nothing"],
    ["by way of ..", "data/../outside", "data/../nothing"],
    ["by many ..", "data/../../../../../../../../etc", "data/../../../../../../../../no-etc"],
    ["a file, or none", "outside/photos/a", "outside/photos/none"],
    ["a folder with a name that begins like the root's", "data2", "data3"],
    ["the folder around the root", ".", "data/../."],
  ])("%s", async (_, there, none) => {
    for (const path of [`${outer}/${there}`, `${outer}/${none}`]) {
      await expect(open(path)).rejects.toMatchObject({ ...refused, message: expect.stringContaining(path) });
      await expect(open(path)).rejects.not.toHaveProperty("cause");
    }
  });

  test("behind a link inside: folder, file, nothing, dangling, in the middle of a path, through several links", async () => {
    await symlink(outside, join(allowed, "link"));
    await symlink("../outside/photos/../none", join(allowed, "dangling"));
    await symlink("link", join(allowed, "second"));
    for (const path of ["link", "link/photos", "link/photos/a", "link/none", "dangling", "dangling/x", "second/none"])
      await expect(open(join(allowed, path))).rejects.toMatchObject(refused);
  });

  test("links in a circle lead nowhere, and are said to", async () => {
    await symlink("b", join(allowed, "circle"));
    await symlink("circle", join(allowed, "b"));
    await expect(open(join(allowed, "circle"))).rejects.toMatchObject({ code: "SOURCE_NOT_REGULAR" });
  });

  test("a root that does not exist admits nothing, until it does", async () => {
    const late = join(outer, "late");
    const confined = withinRoots(new NodeFileSystem(), [late]);
    await expect(confined.openRoot(allowed)).rejects.toMatchObject(refused);
    await expect(confined.openRoot(late)).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
    await mkdir(late);
    expect((await confined.openRoot(late)).path).toBe(late);
  });

  test("no root at all admits nothing", async () => {
    await expect(open(allowed, [])).rejects.toMatchObject(refused);
  });

  test("a folder that is swapped while it is being opened", async () => {
    const inner = faulty<FileSystem>(new NodeFileSystem());
    inner.inject({
      method: "openRoot",
      run: async ({ proceed }) => {
        const root = await proceed();
        await swap(join(allowed, "photos"), join(outside, "photos"));
        return root;
      },
    });
    await expect(open(join(allowed, "photos/2026"), [allowed], inner.port)).rejects.toMatchObject(refused);
  });
});

test("memfs", async () => {
  const volume = Volume.fromJSON({ "/data/a": "1", "/data2/a": SECRET, "/etc/a": SECRET });
  volume.symlinkSync("/etc", "/data/link");
  volume.symlinkSync("/none", "/data/dangling");
  const memory = new NodeFileSystem(createFsFromVolume(volume) as unknown as FsLike);
  expect((await open("/data", ["/data"], memory)).path).toBe("/data");
  for (const path of ["/data2", "/etc", "/none", "/data/link", "/data/link/none", "/data/dangling"])
    await expect(open(path, ["/data"], memory)).rejects.toMatchObject(refused);
  await expect(open("/data/none", ["/data"], memory)).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
});

describe("a service", () => {
  let services: UploadService[] = [];
  let buckets: MemoryBuckets;
  let ledger: MemoryState;
  beforeEach(() => {
    buckets = new MemoryBuckets();
    ledger = new MemoryState();
    buckets.create("b");
  });
  afterEach(async () => {
    await Promise.all(services.map((service) => service.stop()));
    services = [];
  });

  function boot(options: Partial<ServiceOptions> = {}) {
    const state = new MemoryStateStore({ state: ledger, clock: systemClock });
    const objects = new MemoryObjectStore({ state: buckets, capabilities: { minPartSize: 1 } });
    const timing = { stabilityThreshold: 0, monitorInterval: 50 };
    const service = new UploadService({ state, objects, allowedRoots: [allowed], ...timing, ...options });
    services.push(service);
    const sent = () =>
      objects.objects("b").map(({ key }) => Buffer.from(objects.object("b", key)?.bytes ?? "").toString());
    return { service, sent };
  }

  const photos = () => join(allowed, "photos");
  const spec = (options: object = {}) => ({ id: "u", sourceFolder: photos(), bucket: "b", ...options });

  test("tells its roots, as absolute paths", () => {
    const relativeRoot = relative(process.cwd(), allowed);
    expect(boot({ allowedRoots: [relativeRoot] }).service.allowedRoots).toEqual([allowed]);
    const { state, objects } = {
      state: new MemoryStateStore({ clock: systemClock }),
      objects: new MemoryObjectStore({ buckets: ["b"] }),
    };
    expect(new UploadService({ state, objects }).allowedRoots).toBeNull();
  });

  test.each(["data", [""], [1], ["a\0b"], null])("refuses %j", (allowedRoots) => {
    const wrong = { allowedRoots } as unknown as ServiceOptions;
    expect(() => boot(wrong)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });

  test("refuses a file system that does not tell where links lead", () => {
    const fileSystem: FileSystem = { openRoot: () => Promise.reject(new Error("unused")) };
    expect(() => boot({ fileSystem })).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });

  test("neither registers nor plans what lies outside", async () => {
    const { service } = boot();
    await symlink(outside, join(allowed, "link"));
    for (const sourceFolder of [outside, `${allowed}/../outside`, join(allowed, "link"), join(outer, "data2")]) {
      await expect(service.register(spec({ sourceFolder }))).rejects.toMatchObject(refused);
      await expect(service.plan(spec({ sourceFolder }))).rejects.toMatchObject(refused);
    }
    expect(await service.list()).toEqual([]);
  });

  test("uploads what lies inside, with the watcher that it has by default", async () => {
    const { service, sent } = boot({ monitorInterval: 3_600_000 });
    const live = new Promise((resolve) => service.once("monitor:live", resolve));
    await service.start();
    await service.register(spec());
    await service.finished("u");
    expect(sent()).toEqual(["inside", "inside"]);
    if (process.platform === "linux") await live;
  });

  test.each([
    ["the folder", "photos/2026", "outside/photos/2026"],
    ["a folder above it", "photos", "outside/photos"],
  ])("that finds %s replaced by a link to outside before its scan sends nothing", async (_, swapped, target) => {
    const { service, sent } = boot();
    await service.register(spec({ sourceFolder: join(photos(), "2026"), mode: "once" }));
    await swap(join(allowed, swapped), join(outer, target));
    await service.start();
    await expect(service.finished("u")).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect((await service.get("u")).reason?.code).toBe("SOURCE_NOT_ALLOWED");
    await expect(service.plan("u")).rejects.toMatchObject(refused);
    expect(await service.files("u")).toEqual([]);
    expect(sent()).toEqual([]);
  });

  test("that is confined only after the registration sends nothing, and goes on when it may", async () => {
    const free = new UploadService({
      state: new MemoryStateStore({ state: ledger, clock: systemClock }),
      objects: new MemoryObjectStore({ state: buckets }),
    });
    await free.register(spec({ sourceFolder: join(outside, "photos") }));
    await free.stop();
    const { service, sent } = boot();
    const failed = new Promise((resolve) => service.once("upload:failed", resolve));
    await service.start();
    expect(await failed).toMatchObject({ reason: { code: "SOURCE_NOT_ALLOWED" } });
    expect(sent()).toEqual([]);
    await service.stop();
    const wider = boot({ allowedRoots: [allowed, outside] });
    await wider.service.start();
    await vi.waitFor(() => expect(wider.sent()).toHaveLength(4));
  });

  test.each([
    ["the folder", "photos/2026"],
    ["a folder above it", "photos"],
  ])(
    "of which %s is replaced by a link to outside between scan and sending sends nothing of it, and all when it is back",
    async (_, swapped) => {
      // Claimed and about to be opened: the swap comes after the scan, and after the lane has opened its root.
      const inner = faulty<FileSystem>(new NodeFileSystem());
      let swaps: Promise<void> | undefined;
      inner.inject({
        method: "openRoot",
        times: Number.POSITIVE_INFINITY,
        run: async ({ proceed }) => {
          const root = (await proceed()) as Awaited<ReturnType<FileSystem["openRoot"]>>;
          return {
            path: root.path,
            facts: root.facts,
            readFolder: (path: string) => root.readFolder(path),
            stat: (path: string, options?: { follow?: boolean }) => root.stat(path, options),
            open: async (path: string, options?: { follow?: boolean }) => {
              swaps ??= swap(join(allowed, swapped), join(outside, swapped));
              await swaps;
              return await root.open(path, options);
            },
          };
        },
      });
      const { service, sent } = boot({ fileSystem: inner.port, retry: { attempts: 1, baseMs: 1, capMs: 1 } });
      await service.register(spec({ sourceFolder: join(photos(), "2026"), mode: "once" }));
      await service.start();
      await service.finished("u").catch(() => {});
      expect(swaps).toBeDefined();
      const [file] = await service.files("u");
      expect(file).toMatchObject({ path: "a", state: "FAILED", reason: { code: "SOURCE_NOT_READABLE" } });
      expect(sent()).toEqual([]);
      await rm(join(allowed, swapped));
      await rename(join(allowed, `${swapped}.away`), join(allowed, swapped));
      await service.retry("u");
      await service.finished("u");
      expect(sent()).toEqual(["inside"]);
    },
  );

  test("follows a link to outside in the folder neither as a folder nor as a file", async () => {
    const { service, sent } = boot();
    await symlink(outside, join(photos(), "link"));
    await symlink(join(outside, "photos/b"), join(photos(), "b"));
    await service.start();
    await service.register(spec({ mode: "once", symlinks: "follow" }));
    await service.finished("u");
    expect(sent()).toEqual(["inside", "inside"]);
  });

  test("does not tell by a marker what there is outside", async () => {
    const { service } = boot();
    await symlink(join(outside, "photos"), join(photos(), "link"));
    for (const rootMarker of ["link/a", "link/none"]) {
      const answer = service.register(spec({ rootMarker }));
      await expect(answer).rejects.toMatchObject({ code: "SOURCE_DOUBTFUL" });
    }
    await service.register(spec({ rootMarker: "2026/a" }));
  });
});

describe("the folder watcher", () => {
  const boot = (watcher: FakeFolderWatcher) => {
    const stores = {
      state: new MemoryStateStore({ clock: systemClock }),
      objects: new MemoryObjectStore({ buckets: ["b"] }),
    };
    const service = new UploadService({ ...stores, watcher, allowedRoots: [allowed], monitorInterval: 60_000 });
    return service;
  };

  test("is given a folder inside, with the roots to keep it in", async () => {
    const watcher = new FakeFolderWatcher();
    const service = boot(watcher);
    const folder = join(allowed, "photos");
    const live = new Promise((resolve) => service.once("monitor:live", resolve));
    await service.start();
    await service.register({ id: "u", sourceFolder: folder, bucket: "b" });
    await live;
    expect(watcher.roots).toEqual([folder]);
    expect(watcher.optionsOf(folder)?.within).toEqual([allowed]);
    expect((await service.get("u")).watch.state).toBe("live");
    await service.stop();
    expect(watcher.roots).toEqual([]);
  });

  test("is never given one that leads outside, and it shows", async () => {
    const watcher = new FakeFolderWatcher();
    const service = boot(watcher);
    const folder = join(allowed, "photos");
    await service.register({ id: "u", sourceFolder: folder, bucket: "b" });
    await swap(folder, join(outside, "photos"));
    const degraded = new Promise((resolve) => service.once("monitor:degraded", resolve));
    await service.start();
    expect(await degraded).toMatchObject({ uploadId: "u", reason: { code: "WATCH_DEGRADED" } });
    expect(watcher.roots).toEqual([]);
    expect((await service.get("u")).watch.state).toBe("degraded");
    await service.stop();
  });
});

test("where a path leads does not depend on what may be read", async () => {
  const denied = () => Promise.reject(Object.assign(new Error("EACCES"), { code: "EACCES" }));
  const readlink = async (path: string) => {
    if (path === join(allowed, "link")) return "../closed/x";
    return await denied();
  };
  const promises = { ...nodeFs.promises, realpath: denied, readlink } as unknown as FsLike["promises"];
  const fileSystem = new NodeFileSystem({ constants: nodeFs.constants, promises });
  expect(await fileSystem.realPath(join(allowed, "link/y/z"))).toBe(join(outer, "closed/x/y/z"));
});
