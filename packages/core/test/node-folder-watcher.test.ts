import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NodeFolderWatcher } from "../src/node-folder-watcher.ts";
import type { FolderWatch, WatchEvent, WatchOptions } from "../src/ports/folder-watcher.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };

let base: string;
let root: string;
const watches: FolderWatch[] = [];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "folder-watcher-"));
  root = join(base, "root");
  await mkdir(root);
});
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.close();
  await rm(base, { recursive: true, force: true });
});

class Seen {
  readonly events: WatchEvent[] = [];
  watch!: FolderWatch;

  named(type: WatchEvent["type"]): number {
    return this.events.filter((event) => event.type === type).length;
  }

  get reasons(): string[] {
    return this.events.flatMap((event) => (event.type === "degraded" ? [event.reason.message] : []));
  }

  /** Does something, once nothing more is said about what was done before, and waits until it is hinted. */
  async hints(change: () => Promise<unknown>): Promise<void> {
    await this.silence();
    const before = this.named("changed");
    await change();
    await vi.waitFor(() => expect(this.named("changed")).toBeGreaterThan(before), PATIENCE);
  }

  async silence(): Promise<void> {
    for (let before = -1; before !== this.events.length; ) {
      before = this.events.length;
      await sleep(250);
    }
  }
}

function watch(watcher = new NodeFolderWatcher(), options: WatchOptions = {}, path = root): Seen {
  const seen = new Seen();
  seen.watch = watcher.watch(path, (event) => seen.events.push(event), options);
  watches.push(seen.watch);
  return seen;
}

async function live(options: WatchOptions = {}): Promise<Seen> {
  const seen = watch(undefined, options);
  await vi.waitFor(() => expect(seen.watch.state).toBe("live"), PATIENCE);
  return seen;
}

const at = (...names: string[]) => join(root, ...names);

describe("changes below the root are hinted", () => {
  test("create, modify, rename, delete; in folders that were there, and in the root", async () => {
    await mkdir(at("a/b"), { recursive: true });
    const seen = await live();
    expect(seen.events).toEqual([{ type: "ready" }]);
    for (const folder of ["", "a", "a/b"]) {
      await seen.hints(() => writeFile(at(folder, "file"), "1"));
      await seen.hints(() => writeFile(at(folder, "file"), "22"));
      await seen.hints(() => rename(at(folder, "file"), at(folder, "other")));
      await seen.hints(() => rm(at(folder, "other")));
    }
  });

  test("folders made together with what they hold are watched down to the last", async () => {
    const seen = await live();
    await seen.hints(() => mkdir(at("n/e/s/t/e/d"), { recursive: true }));
    await seen.hints(() => writeFile(at("n/e/s/t/e/d/file"), "1"));
    await seen.hints(() => writeFile(at("n/e/file"), "1"));
  });

  test("a folder that moves is watched where it is now, and no longer once it is outside", async () => {
    await mkdir(at("a/deep"), { recursive: true });
    const seen = await live();
    await seen.hints(() => rename(at("a"), at("b")));
    await seen.hints(() => writeFile(at("b/deep/file"), "1"));
    await seen.hints(() => rename(at("b"), join(base, "outside")));
    await seen.silence();
    const before = seen.named("changed");
    await writeFile(join(base, "outside/deep/file"), "22");
    await seen.hints(() => writeFile(at("file"), ""));
    expect(seen.named("changed")).toBe(before + 1);
    await seen.hints(() => rename(join(base, "outside"), at("back")));
    await seen.hints(() => writeFile(at("back/deep/file"), "333"));
  });

  test("a folder that is deleted and made again at once is watched", async () => {
    await mkdir(at("a"));
    const seen = await live();
    await seen.hints(async () => {
      await rm(at("a"), { recursive: true });
      await mkdir(at("a"));
    });
    await seen.hints(() => writeFile(at("a/file"), "1"));
  });

  test("after a burst of new folders every one of them is watched, and few words were made", async () => {
    const seen = await live();
    const folders = Array.from({ length: 1_000 }, (_, index) => at(`f${index % 10}`, `g${index}`, "h"));
    await seen.hints(async () => {
      for (const folder of folders) {
        await mkdir(folder, { recursive: true });
        await writeFile(join(folder, "file"), "1");
      }
    });
    await seen.silence();
    expect(seen.named("changed")).toBeLessThan(1_000);
    for (const folder of [folders[0], folders[499], folders[998], folders[999]]) {
      await seen.hints(() => writeFile(join(folder ?? "", "file"), "22"));
    }
  });

  test("a folder that becomes readable is watched from then on", async () => {
    await mkdir(at("closed"));
    await chmod(at("closed"), 0o000);
    const seen = await live();
    await seen.hints(() => chmod(at("closed"), 0o755));
    await seen.hints(() => writeFile(at("closed/file"), "1"));
    expect(seen.reasons).toEqual([]);
  });
});

describe("what is not watched", () => {
  test("what a link leads to", async () => {
    await mkdir(join(base, "outside"));
    await symlink(join(base, "outside"), at("link"));
    await symlink(root, at("loop"));
    const seen = await live();
    await writeFile(join(base, "outside/file"), "1");
    await seen.hints(() => writeFile(at("file"), ""));
    expect(seen.named("changed")).toBe(1);
  });

  test("folders that can hold no file of the upload", async () => {
    await mkdir(at("excluded/deep"), { recursive: true });
    await mkdir(at("included"));
    const seen = await live({ patterns: { pattern: [], exclude: ["excluded/"], dot: true } });
    await writeFile(at("excluded/deep/file"), "1");
    await seen.hints(() => writeFile(at("included/file"), ""));
    expect(seen.named("changed")).toBe(1);
  });
});

describe("the root", () => {
  test("that is a link is watched where it leads", async () => {
    await symlink(root, join(base, "link"));
    const seen = watch(undefined, {}, join(base, "link"));
    await vi.waitFor(() => expect(seen.watch.state).toBe("live"), PATIENCE);
    await seen.hints(() => writeFile(at("file"), "1"));
  });

  test("that goes away is said to be gone, once, and watched again when it is back", async () => {
    const seen = await live();
    await rm(root, { recursive: true });
    await vi.waitFor(() => expect(seen.watch.state).toBe("degraded"), PATIENCE);
    await mkdir(root);
    await vi.waitFor(() => expect(seen.watch.state).toBe("live"), PATIENCE);
    expect(seen.reasons).toEqual([expect.stringMatching(/root cannot be watched: it is not there, or was replaced/)]);
    await seen.hints(() => writeFile(at("file"), "1"));
  });

  test("that is replaced is noticed, although a folder above it was renamed, which sends no event", async () => {
    await mkdir(at("deep"));
    const seen = watch(undefined, {}, at("deep"));
    await vi.waitFor(() => expect(seen.watch.state).toBe("live"), PATIENCE);
    await rename(root, join(base, "away"));
    await mkdir(at("deep"), { recursive: true });
    await vi.waitFor(() => expect(seen.named("ready")).toBe(2), PATIENCE);
    expect(seen.reasons).toHaveLength(1);
    await seen.hints(() => writeFile(at("deep/file"), "1"));
  });

  test("that is a link is watched where it leads by then", async () => {
    await mkdir(at("first"));
    await mkdir(at("second"));
    await symlink("first", at("current"));
    const seen = watch(undefined, {}, at("current"));
    await vi.waitFor(() => expect(seen.watch.state).toBe("live"), PATIENCE);
    await symlink("second", at("next"));
    await rename(at("next"), at("current"));
    await vi.waitFor(() => expect(seen.named("ready")).toBe(2), PATIENCE);
    await seen.hints(() => writeFile(at("second/file"), "1"));
  });

  test("that is not there yet is watched as soon as it is", async () => {
    const seen = watch(undefined, {}, at("later"));
    await vi.waitFor(() => expect(seen.reasons).toHaveLength(1), PATIENCE);
    await mkdir(at("later"));
    await vi.waitFor(() => expect(seen.watch.state).toBe("live"), PATIENCE);
    await seen.hints(() => writeFile(at("later/file"), "1"));
  });
});

describe("the thread", () => {
  test("serves several roots, and goes on with the others when one is closed", async () => {
    await mkdir(at("one"));
    await mkdir(at("two"));
    const watcher = new NodeFolderWatcher();
    const [one, two] = [watch(watcher, {}, at("one")), watch(watcher, {}, at("two"))];
    await vi.waitFor(() => expect([one.watch.state, two.watch.state]).toEqual(["live", "live"]), PATIENCE);
    await one.watch.close();
    await writeFile(at("one/file"), "1");
    await two.hints(() => writeFile(at("two/file"), "1"));
    expect(one.events).toEqual([{ type: "ready" }]);
    await two.watch.close();
    const again = watch(watcher, {}, at("one"));
    await vi.waitFor(() => expect(again.watch.state).toBe("live"), PATIENCE);
  });

  test("nothing is called after close, not even what was under way", async () => {
    const seen = watch();
    await seen.watch.close();
    await seen.watch.close();
    const other = await live();
    await other.hints(() => writeFile(at("file"), "1"));
    expect(seen.events).toEqual([]);
  });

  test("when it dies every watch is degraded, and the next watch has another", async () => {
    const threads: Worker[] = [];
    const real = new URL("../src/watch-thread.ts", import.meta.url);
    const watcher = new NodeFolderWatcher(() => {
      const thread = new Worker(real);
      threads.push(thread);
      return thread;
    });
    const seen = watch(watcher);
    await vi.waitFor(() => expect(seen.watch.state).toBe("live"), PATIENCE);
    await threads[0]?.terminate();
    await vi.waitFor(() => expect(seen.watch.state).toBe("degraded"), PATIENCE);
    expect(seen.reasons).toEqual([expect.stringContaining("its thread ended")]);
    const next = watch(watcher);
    await vi.waitFor(() => expect(next.watch.state).toBe("live"), PATIENCE);
    expect(seen.watch.state).toBe("degraded");
  });

  test("when it dies the watches go on in another one, after a while", async () => {
    const threads: Worker[] = [];
    const real = new URL("../src/watch-thread.ts", import.meta.url);
    const watcher = new NodeFolderWatcher(() => {
      const thread = new Worker(real);
      threads.push(thread);
      return thread;
    }, 100);
    const [one, two] = [watch(watcher), watch(watcher)];
    await vi.waitFor(() => expect([one.watch.state, two.watch.state]).toEqual(["live", "live"]), PATIENCE);
    await threads[0]?.terminate();
    await vi.waitFor(() => expect([one.named("ready"), two.named("ready")]).toEqual([2, 2]), PATIENCE);
    expect(one.reasons).toHaveLength(1);
    await one.hints(() => writeFile(at("file"), "1"));
    await one.watch.close();
    await two.watch.close();
    await vi.waitFor(() => expect(threads.map(({ threadId }) => threadId)).toEqual([-1, -1]), PATIENCE);
  });

  test("that fails before it has watched anything is not started again and again", async () => {
    let started = 0;
    const watcher = new NodeFolderWatcher(() => {
      started++;
      return new Worker(new URL("../src/no-such-thread.ts", import.meta.url));
    }, 1);
    const seen = watch(watcher);
    await vi.waitFor(() => expect(seen.watch.state).toBe("degraded"), PATIENCE);
    await seen.silence();
    expect(started).toBe(1);
    expect(seen.reasons).toHaveLength(1);
  });

  test("that cannot be started degrades the watch, later than the call", async () => {
    const watcher = new NodeFolderWatcher(() => {
      throw new Error("no threads here");
    });
    const seen = watch(watcher);
    expect(seen.events).toEqual([]);
    await vi.waitFor(() => expect(seen.reasons).toEqual([expect.stringContaining("no threads here")]), PATIENCE);
  });

  test("what a listener throws disturbs nothing", async () => {
    let calls = 0;
    const thrown = new NodeFolderWatcher().watch(root, () => {
      calls++;
      throw new Error("a listener's own trouble");
    });
    watches.push(thrown);
    await vi.waitFor(() => expect(thrown.state).toBe("live"), PATIENCE);
    await writeFile(at("file"), "1");
    await vi.waitFor(() => expect(calls).toBeGreaterThanOrEqual(2), PATIENCE);
  });
});

describe("a process", () => {
  const source = new URL("../src/node-folder-watcher.ts", import.meta.url);
  const run = async (then: string) =>
    await promisify(execFile)(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `const { NodeFolderWatcher } = await import(${JSON.stringify(fileURLToPath(source))});
         const alive = setInterval(() => {}, 1000);
         const watch = new NodeFolderWatcher().watch(${JSON.stringify(root)}, async ({ type }) => {
           if (type !== "ready") return;
           console.log("live");
           clearInterval(alive);
           ${then}
         });`,
      ],
      { timeout: 25_000 },
    );

  test("ends although it watches", async () => {
    expect((await run("")).stdout).toBe("live\n");
  });

  test("ends after close, which it can await", async () => {
    expect((await run("await watch.close(); console.log('closed');")).stdout).toBe("live\nclosed\n");
  });
});
