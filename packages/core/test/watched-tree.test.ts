import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isRemote, mountOf, parseMounts } from "../src/mount-table.ts";
import { compilePatterns } from "../src/patterns.ts";
import type { WatchEvent } from "../src/ports/folder-watcher.ts";
import { FakeClock } from "../src/testing/index.ts";
import { nodeWatchLibrary } from "../src/watch-library.ts";
import { WatchedTree, type WatchLibrary } from "../src/watched-tree.ts";

const MINUTE = 60_000;

let root: string;
let clock: FakeClock;
let tree: WatchedTree | undefined;
let events: WatchEvent[];
/** Paths with an open handle, and what to call when something changes there. */
const handles = new Map<string, (event: string, name: string | null) => void>();
const failures = new Map<string, (error: Error) => void>();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "watched-tree-"));
  clock = new FakeClock();
  events = [];
});
afterEach(async () => {
  tree?.close();
  handles.clear();
  await rm(root, { recursive: true, force: true });
});

/** The real folders; events come from the test. */
const stage: WatchLibrary = {
  ...nodeWatchLibrary,
  recursive: false,
  queueLimit: 100,
  mountTable: () => "",
  watch(path, _, listener) {
    handles.set(path, listener);
    return {
      close: () => handles.delete(path),
      on: (_event, report) => failures.set(path, report),
    };
  },
};

async function start(faults: Partial<WatchLibrary> = {}): Promise<void> {
  const filter = compilePatterns({ pattern: [], exclude: [], dot: true });
  const say = (event: WatchEvent) => events.push(event);
  tree = new WatchedTree({ root, filter, library: { ...stage, ...faults }, clock, say });
  void tree.run();
  await vi.waitFor(() => expect(events).not.toEqual([]));
}

const types = () => events.map(({ type }) => type);
const reasons = () => events.flatMap((event) => (event.type === "degraded" ? [event.reason] : []));
const emit = (folder: string, name: string | null) => handles.get(join(root, folder))?.("rename", name);
const failing = (code: string, when: (path: string) => boolean): Partial<WatchLibrary> => ({
  watch(path, options, listener) {
    if (when(path)) throw Object.assign(new Error(`${code}: watch '${path}'`), { code });
    return stage.watch(path, options, listener);
  },
});

describe("a system that gives no more watches", () => {
  test.each([
    ["ENOSPC", "fs.inotify.max_user_watches"],
    ["EMFILE", "fs.inotify.max_user_instances"],
    ["ENFILE", "fs.file-max"],
    ["ENOMEM", "memory"],
  ])("%s gives all of them back, says what to do, and is tried again", async (code, remedy) => {
    await mkdir(join(root, "a/b"), { recursive: true });
    let isExhausted = true;
    await start(failing(code, (path) => isExhausted && path.endsWith("b")));
    expect(reasons()).toEqual([{ code: "WATCH_DEGRADED", message: expect.stringContaining(remedy) }]);
    expect([...handles.keys()]).toEqual([]);
    await clock.advance(30 * MINUTE);
    expect(types()).toEqual(["degraded"]);
    isExhausted = false;
    await clock.advance(10 * MINUTE);
    await vi.waitFor(() => expect(types()).toEqual(["degraded", "ready"]));
    expect(handles.size).toBe(3);
  });

  test("for a folder that is made later", async () => {
    await start(failing("ENOSPC", (path) => path.endsWith("later")));
    await mkdir(join(root, "later"));
    emit("", "later");
    await vi.waitFor(() => expect(types()).toEqual(["ready", "changed", "degraded"]));
    expect(handles.size).toBe(0);
  });

  test("a folder that may not be read, or is gone again, is left out without a word", async () => {
    for (const name of ["closed", "gone", "fine"]) await mkdir(join(root, name));
    const closed = failing("EACCES", (path) => path.endsWith("closed"));
    await start({
      watch: (path, options, listener) => {
        if (path.endsWith("gone")) throw Object.assign(new Error("gone"), { code: "ENOENT" });
        return (closed.watch ?? stage.watch)(path, options, listener);
      },
    });
    expect(types()).toEqual(["ready"]);
    expect([...handles.keys()].sort()).toEqual([root, join(root, "fine")]);
  });

  test("one in which nothing can be looked at costs the others nothing", async () => {
    await mkdir(join(root, "listed/only"), { recursive: true });
    await mkdir(join(root, "fine"));
    await start({
      identify: (path) => {
        if (path.endsWith("only")) throw Object.assign(new Error("EACCES: lstat"), { code: "EACCES" });
        return stage.identify(path);
      },
    });
    expect(types()).toEqual(["ready"]);
    expect([...handles.keys()].sort()).toEqual([root, join(root, "fine"), join(root, "listed")]);
  });

  test("what nobody has foreseen is named", async () => {
    await start(failing("EXDEV", () => true));
    expect(reasons()[0]?.message).toContain("EXDEV");
  });

  test("a handle that fails later starts the watch anew", async () => {
    await start();
    failures.get(root)?.(Object.assign(new Error("broken"), { code: "EPERM" }));
    await vi.waitFor(() => expect(types()).toEqual(["ready", "degraded"]));
    await clock.advance(MINUTE);
    await vi.waitFor(() => expect(types()).toEqual(["ready", "degraded", "ready"]));
  });
});

describe("a queue that was full", () => {
  test("is noticed by the events of one turn; folders that were missed are found", async () => {
    await mkdir(join(root, "old"));
    await start();
    await mkdir(join(root, "old/missed/deep"), { recursive: true });
    for (let event = 0; event < 60; event++) emit("", "same");
    await clock.advance(1_000);
    await vi.waitFor(() => expect(types()).toEqual(["ready", "changed", "degraded", "ready", "changed"]));
    expect(reasons()[0]?.message).toContain("fs.inotify.max_queued_events");
    expect([...handles.keys()].sort()).toEqual(
      ["", "old", "old/missed", "old/missed/deep"].map((path) => join(root, path)),
    );
  });

  test("is not suspected because of as many events in several turns", async () => {
    await start();
    for (let turn = 0; turn < 6; turn++) {
      for (let event = 0; event < 20; event++) emit("", "same");
      await clock.advance(1_000);
    }
    expect(types()).not.toContain("degraded");
    expect(types().filter((type) => type === "changed").length).toBeGreaterThan(0);
  });

  test("is noticed where the system says so: an event without a name", async () => {
    await mkdir(join(root, "gone"));
    await start();
    await rm(join(root, "gone"), { recursive: true });
    emit("", null);
    await clock.advance(1_000);
    await vi.waitFor(() => expect(types().at(-2)).toBe("ready"));
    expect(reasons()).toHaveLength(1);
    expect([...handles.keys()]).toEqual([root]);
  });

  test("a storm of different names is bounded: more than the queue holds count as lost", async () => {
    await start();
    for (let turn = 0; turn < 30; turn++) {
      for (let event = 0; event < 10; event++) emit("", `name ${turn} ${event}`);
      await Promise.resolve();
    }
    await clock.advance(1_000);
    await vi.waitFor(() => expect(reasons()).toHaveLength(1));
  });
});

describe("however much changes", () => {
  test("one window has one hint", async () => {
    await start();
    emit("", "a");
    await vi.waitFor(() => expect(types()).toEqual(["ready", "changed"]));
    for (let event = 0; event < 40; event++) emit("", `b${event}`);
    await clock.advance(40);
    expect(types()).toEqual(["ready", "changed"]);
    await clock.advance(10);
    await vi.waitFor(() => expect(types()).toEqual(["ready", "changed", "changed"]));
  });

  test("new folders have a second hint, for what was put into them before they were watched", async () => {
    await start();
    await mkdir(join(root, "new"));
    emit("", "new");
    await vi.waitFor(() => expect(types()).toEqual(["ready", "changed", "changed"]));
    await writeFile(join(root, "new/file"), "1");
    emit("new", "file");
    await clock.advance(50);
    await vi.waitFor(() => expect(types()).toEqual(["ready", "changed", "changed", "changed"]));
  });
});

describe("a system that watches whole trees", () => {
  test("is given the root alone", async () => {
    await mkdir(join(root, "a/b"), { recursive: true });
    await start({ recursive: true });
    expect([...handles.keys()]).toEqual([root]);
    emit("", "a/b/file");
    await vi.waitFor(() => expect(types()).toEqual(["ready", "changed"]));
  });
});

describe("remote file systems", () => {
  const local = "1 0 8:1 / / rw - ext4 /dev/sda rw";

  test("are not watched, only looked at until something else is mounted there", async () => {
    let table = `${local}\n2 1 0:50 / ${root} rw,relatime shared:1 - nfs4 server:/data rw`;
    await start({ mountTable: () => table });
    expect(reasons()).toEqual([{ code: "WATCH_DEGRADED", message: expect.stringContaining("nfs4") }]);
    expect(handles.size).toBe(0);
    await clock.advance(10 * MINUTE);
    expect(types()).toEqual(["degraded"]);
    table = local;
    await clock.advance(MINUTE);
    await vi.waitFor(() => expect(types()).toEqual(["degraded", "ready"]));
  });

  test("below the root are left out and told, while the rest is hinted", async () => {
    await mkdir(join(root, "share/deep"), { recursive: true });
    await mkdir(join(root, "own"));
    await start({ mountTable: () => `${local}\n2 1 0:50 / ${root}/share rw - cifs //server/share rw` });
    expect(reasons()[0]?.message).toContain(`${root}/share`);
    expect([...handles.keys()].sort()).toEqual([root, join(root, "own")]);
    emit("own", "file");
    await vi.waitFor(() => expect(types()).toEqual(["degraded", "changed"]));
  });

  test("are told by the deepest mount, and the last on one point", () => {
    const mounts = parseMounts(
      [local, "2 1 0:50 / /a\\040b rw - nfs s rw", "3 1 0:51 / /a\\040b rw master:2 - xfs /dev/b rw", "x"].join("\n"),
    );
    expect(mounts).toHaveLength(3);
    expect(mountOf(mounts, "/a b/c")?.type).toBe("xfs");
    expect(mountOf(mounts, "/a bc")?.type).toBe("ext4");
    expect(mountOf([], "/a")).toBeUndefined();
  });

  test.each([
    ["ext4", false],
    ["overlay", false],
    ["tmpfs", false],
    ["fuseblk", false],
    ["fuse.fuse-overlayfs", false],
    ["fuse.sshfs", true],
    ["cifs", true],
    ["9p", true],
    ["virtiofs", true],
  ])("%s: %s", (type, remote) => {
    expect(isRemote(type)).toBe(remote);
  });
});

test("close gives every handle back, also in the middle of a walk", async () => {
  await mkdir(join(root, "a"));
  await start();
  expect(handles.size).toBe(2);
  tree?.close();
  expect(handles.size).toBe(0);
  await clock.advance(MINUTE);
  expect(types()).toEqual(["ready"]);
});
