import { mkdir, mkdtemp, realpath, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Confinement } from "../src/confinement.ts";
import { watchWithin } from "../src/decorators/confined-watcher.ts";
import { NodeFileSystem } from "../src/index.ts";
import { NodeFolderWatcher } from "../src/node-folder-watcher.ts";
import { compilePatterns } from "../src/patterns.ts";
import type { WatchEvent } from "../src/ports/folder-watcher.ts";
import { FakeClock, FakeFolderWatcher } from "../src/testing/index.ts";
import { nodeWatchLibrary } from "../src/watch-library.ts";
import { WatchedTree } from "../src/watched-tree.ts";

let base: string;
let allowed: string;
let folder: string;
let outside: string;
let clock: FakeClock;
let events: WatchEvent[];
const say = (event: WatchEvent) => void events.push(event);
const types = () => events.map(({ type }) => type);
beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "watch-confined-")));
  allowed = join(base, "data");
  folder = join(allowed, "source");
  outside = join(base, "data2");
  for (const path of [join(folder, "sub"), join(outside, "sub")]) await mkdir(path, { recursive: true });
  clock = new FakeClock();
  events = [];
});
afterEach(async () => {
  await rm(base, { recursive: true, force: true });
});

async function swap(): Promise<void> {
  await rename(folder, `${folder}.away`);
  await symlink(outside, folder);
}

async function putBack(): Promise<void> {
  await rm(folder);
  await rename(`${folder}.away`, folder);
}

describe("a watched tree", () => {
  /** Every path that a handle was ever opened on. */
  let asked: string[];
  let open: Set<string>;
  let tree: WatchedTree;
  beforeEach(() => {
    asked = [];
    open = new Set();
  });
  afterEach(() => tree.close());

  function begin(within: readonly string[], root = folder): void {
    const library = {
      ...nodeWatchLibrary,
      recursive: false,
      mountTable: () => "",
      watch(path: string) {
        asked.push(path);
        open.add(path);
        return { close: () => open.delete(path), on: () => {} };
      },
    };
    const filter = compilePatterns({ pattern: [], exclude: [], dot: true });
    tree = new WatchedTree({ root, filter, within, library, clock, say });
    void tree.run();
  }

  test("is watched inside its bounds, by whatever name", async () => {
    await symlink(allowed, join(base, "link"));
    begin(["/nowhere", join(base, "link")], join(base, "link/source"));
    await vi.waitFor(() => expect(types()).toEqual(["ready"]));
    expect(asked).toEqual([folder, join(folder, "sub")]);
  });

  test.each([
    ["outside, under a name that begins alike", () => outside],
    ["outside, behind a link", () => join(allowed, "link")],
    ["nowhere", () => join(allowed, "none")],
  ])("%s is not watched at all, and said to be gone", async (_, root) => {
    await symlink(outside, join(allowed, "link"));
    begin([allowed], root());
    await vi.waitFor(() => expect(types()).toEqual(["degraded"]));
    await clock.advance(60_000);
    expect(asked).toEqual([]);
    const message = expect.stringContaining("it is not there, or was replaced");
    expect(events).toEqual([{ type: "degraded", reason: { code: "WATCH_DEGRADED", message } }]);
  });

  test("that is replaced by a link to outside is let go, and watched again when it is back", async () => {
    begin([allowed]);
    await vi.waitFor(() => expect(types()).toEqual(["ready"]));
    await swap();
    await clock.advance(30_000);
    expect(types()).toEqual(["ready", "degraded"]);
    expect([...open]).toEqual([]);
    expect(asked.filter((path) => !path.startsWith(allowed))).toEqual([]);
    await putBack();
    await clock.advance(5_000);
    expect(types()).toEqual(["ready", "degraded", "ready"]);
    expect([...open].sort()).toEqual([folder, join(folder, "sub")]);
  });

  test("whose bounds lead elsewhere by now is let go, and watched again when they lead back", async () => {
    const bounds = join(base, "bounds");
    await symlink(allowed, bounds);
    begin([bounds]);
    await vi.waitFor(() => expect(types()).toEqual(["ready"]));
    await rm(bounds);
    await symlink(outside, bounds);
    await clock.advance(5_000);
    expect(types()).toEqual(["ready", "degraded"]);
    expect([...open]).toEqual([]);
    await rm(bounds);
    await symlink(allowed, bounds);
    await clock.advance(30_000);
    expect(types()).toEqual(["ready", "degraded", "ready"]);
  });
});

test("the bounds reach the thread of NodeFolderWatcher", async () => {
  await symlink(outside, join(allowed, "link"));
  const watcher = new NodeFolderWatcher();
  const refused = watcher.watch(join(allowed, "link"), say, { within: [allowed] });
  const live = watcher.watch(folder, () => {}, { within: [allowed] });
  await vi.waitFor(() => expect([refused.state, live.state]).toEqual(["degraded", "live"]), { timeout: 10_000 });
  await refused.close();
  await live.close();
});

describe("a confined watcher", () => {
  const inner = () => new FakeFolderWatcher();
  const confined = (watcher: FakeFolderWatcher) =>
    watchWithin(watcher, new Confinement(new NodeFileSystem(), [allowed]), clock);

  test("hands over what leads inside, and closes it", async () => {
    const watcher = inner();
    const watch = confined(watcher).watch(folder, say);
    expect(watch.state).toBe("starting");
    await vi.waitFor(() => expect(types()).toEqual(["ready"]));
    expect([watcher.roots, watch.state]).toEqual([[folder], "live"]);
    await watch.close();
    await watch.close();
    expect(watcher.roots).toEqual([]);
  });

  test("keeps back what leads outside until it does no more, and says so once", async () => {
    const watcher = inner();
    await swap();
    const watch = confined(watcher).watch(folder, say);
    await vi.waitFor(() => expect(types()).toEqual(["degraded"]));
    await clock.advance(10_000);
    expect([watcher.roots, types(), watch.state]).toEqual([[], ["degraded"], "degraded"]);
    await putBack();
    // The real disk answers in its own time.
    await vi.waitFor(async () => {
      await clock.advance(2_000);
      expect(types()).toEqual(["degraded", "ready"]);
    });
    expect([watcher.roots, watch.state]).toEqual([[folder], "live"]);
    await watch.close();
  });

  test("that is closed before it knows watches nothing, and says nothing", async () => {
    const watcher = inner();
    const watch = confined(watcher).watch(folder, say);
    await watch.close();
    // As many answers of the disk as it waits for, and more.
    for (let answers = 0; answers < 20; answers++) await new NodeFileSystem().realPath(folder);
    expect([watcher.roots, events]).toEqual([[], []]);
  });
});
