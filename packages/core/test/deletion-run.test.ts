import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { crc32Of, formatCrc32 } from "../src/checksum.ts";
import { ObjectStoreError, reduceFile } from "../src/index.ts";
import { BUCKET, SOURCE } from "./support/bed.ts";
import { DeletionBed } from "./support/deletion-bed.ts";

const MINUTE = 60_000;
const ALWAYS = Number.POSITIVE_INFINITY;
const failure = (kind: "denied" | "transient" | "conflict" | "credentials") => () =>
  new ObjectStoreError({ kind, operation: "deleteObject", bucket: BUCKET }, "made to fail");

let bed: DeletionBed;
beforeEach(() => {
  bed = new DeletionBed();
});
afterEach(async () => {
  await bed.world.end();
});

async function putTheirs(key: string): Promise<void> {
  const body = Buffer.from("theirs");
  const checksum = formatCrc32(crc32Of(body));
  await bed.world.store.putObject({ bucket: BUCKET, key, body, checksum, settings: {}, token: "theirs" });
}

describe("what happens between the scan and the delete", () => {
  test("the file is back: its object stays", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.whenListed(1, () => bed.world.write("a", "a"));
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
    await bed.check();
    await bed.world.until(() => bed.record("a")?.state === "UPLOADED");
    expect(bed.process.calls("deleteObject")).toBe(0);
  });

  test("another owner has queued the file again: its object stays", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.process.state.inject({
      method: "listFiles",
      nth: 2,
      when: (_, page) => page.states?.[0] === "REMOVED",
      run: async ({ proceed }) => {
        const listed = await proceed();
        const before = bed.record("a");
        if (!before) throw new Error("There is no record.");
        const action = { type: "changed", facts: before, key: "u/a", nextAttemptAt: bed.world.clock.now() } as const;
        await bed.process.state.port.commit([{ before, after: reduceFile(before, action, 0) }]);
        return listed;
      },
    });
    await bed.check();
    expect(bed.process.calls("deleteObject")).toBe(0);
    expect(bed.process.named("warning")).toEqual([]);
  });

  test.each(["pause", "cancel"] as const)("%s: nothing is deleted", async (method) => {
    await bed.start();
    bed.world.remove("a");
    bed.whenListed(1, async () => {
      const before = await bed.process.state.port.getUpload("u");
      const state = method === "pause" ? "PAUSED" : "CANCELLED";
      if (before)
        await bed.process.state.port.updateUpload(before, { ...before, state, revision: before.revision + 1 });
    });
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
  });

  test("another owner takes the scan over: nothing is deleted", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.whenListed(1, async () => {
      const before = await bed.process.state.port.getUpload("u");
      const after = { scanner: "another", revision: (before?.revision ?? 0) + 1 };
      if (before) await bed.process.state.port.updateUpload(before, { ...before, ...after });
    });
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
  });

  test("an owner that has slept through its lease deletes nothing of what others have sent since", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.process.state.inject({ method: "heartbeat", times: ALWAYS, hang: "before" });
    let wake = () => {};
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    bed.whenListed(1, () => asleep);
    const sleeper = bed.process;
    const sleeping = sleeper.service.check("u");
    await bed.world.clock.advance(2 * MINUTE);
    bed.world.write("a", "a");
    bed.process = bed.boot();
    await bed.process.service.start();
    await bed.check();
    await bed.world.until(() => bed.record("a")?.state === "UPLOADED");
    bed.world.remove("a");
    wake();
    await bed.world.until(sleeping);
    expect(bed.world.bucket()["u/a"]).toBe("a");
    expect(bed.process.calls("deleteObject")).toBe(0);
    sleeper.kill();
  });

  test("the lease has lapsed and nobody else has come yet: the next scan deletes", async () => {
    await bed.start();
    const silence = bed.process.state.inject({ method: "heartbeat", times: ALWAYS, before: new Error("made silent") });
    await bed.world.clock.advance(2 * MINUTE);
    bed.world.remove("a");
    await bed.check();
    expect(bed.keys()).toHaveLength(3);
    silence.remove();
    await bed.world.clock.advance(MINUTE);
    await bed.check();
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
  });

  test("stop waits for the deletes in flight and records them", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.process.objects.inject({ method: "deleteObject", delayMs: 5_000 });
    const checking = bed.process.service.check("u").catch(() => {});
    await bed.world.until(() => bed.process.objects.rules.some(({ fired }) => fired > 0));
    await bed.world.until(bed.process.service.stop());
    await bed.world.until(checking);
    expect(bed.record("a")).toMatchObject({ state: "REMOVED", evidence: null });
  });
});

describe("an owner that sleeps with its request on the way", () => {
  type Call = { readonly proceed: () => unknown };
  const late = { sleepsFirst: true, end: ({ proceed }: Call) => proceed() };
  const prompt = { ...late, sleepsFirst: false };
  const lost = {
    sleepsFirst: true,
    end: async ({ proceed }: Call) => {
      await proceed();
      throw new ObjectStoreError(
        { kind: "denied", operation: "deleteObject", bucket: BUCKET, ambiguous: true },
        "lost",
      );
    },
  };
  const writeAnew = () => bed.world.write("a", "a");
  const moveBack = () => bed.world.volume.renameSync("/aside", `${SOURCE}/a`);
  const writeElsewhere = () => bed.world.write("moved/a", "a");

  test.each([
    { of: "late", what: "was sent again", request: late, happen: writeAnew, path: "a", puts: 3 },
    { of: "late", what: "was found standing", request: late, happen: moveBack, path: "a", puts: 2 },
    { of: "late", what: "has moved to another path", request: late, happen: writeElsewhere, path: "moved/a", puts: 3 },
    { of: "late, its answer lost", what: "was sent again", request: lost, happen: writeAnew, path: "a", puts: 3 },
    { of: "in time, its answer late", what: "was sent again", request: prompt, happen: writeAnew, path: "a", puts: 2 },
  ])("$of: what $what is there in the end", async ({ request, happen, path, puts }) => {
    await bed.start({ keyTemplate: "{name}{ext}" });
    bed.world.volume.renameSync(`${SOURCE}/a`, "/aside");
    bed.process.state.inject({ method: "heartbeat", times: ALWAYS, hang: "before" });
    let wake = () => {};
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const onTheWay = bed.process.objects.inject({
      method: "deleteObject",
      run: async (call) => {
        const answer = request.sleepsFirst ? undefined : await request.end(call);
        await asleep;
        return answer ?? (await request.end(call));
      },
    });
    const sleeper = bed.process;
    void sleeper.service.check("u").catch(() => {});
    await bed.world.until(() => onTheWay.fired > 0);
    await bed.world.clock.advance(2 * MINUTE);
    happen();
    bed.process = bed.boot();
    await bed.process.service.start();
    await bed.check();
    await bed.world.until(() => bed.record(path)?.state === "UPLOADED");
    wake();
    await bed.world.clock.advance(MINUTE);
    expect(bed.world.bucket()).toEqual({ a: "a", b: "d/b", keep: "keep" });
    expect(bed.record(path)).toMatchObject({ state: "UPLOADED" });
    const sent = bed.world.store.calls.filter(({ method, key }) => method === "putObject" && key === "a");
    expect(sent).toHaveLength(puts);
    sleeper.kill();
  });
});

describe("whose object it is", () => {
  test("an object that somebody has replaced is left, said once, and is not ours any more", async () => {
    await bed.start();
    await putTheirs("u/a");
    bed.world.remove("a");
    await bed.check();
    await bed.check();
    expect(bed.world.bucket()["u/a"]).toBe("theirs");
    expect(bed.record("a")).toMatchObject({ state: "REMOVED", evidence: null });
    expect(bed.warnings("OBJECT_REPLACED")).toHaveLength(1);
    expect(bed.process.named("file:deleted")).toEqual([]);
  });

  test("a file that has moved keeps the key that it shares with where it was", async () => {
    await bed.start({ keyTemplate: "{name}{ext}" });
    bed.world.remove("a");
    bed.world.write("moved/a", "a");
    await bed.check();
    await bed.world.until(() => bed.record("moved/a")?.state === "UPLOADED");
    await bed.check();
    expect(bed.world.bucket()).toEqual({ a: "a", b: "d/b", keep: "keep" });
    expect(bed.record("a")).toMatchObject({ evidence: null });
    expect(bed.process.named("warning")).toEqual([]);
    bed.world.remove("moved/a");
    await bed.check();
    expect(bed.keys()).toEqual(["b", "keep"]);
  });

  test("as long as the other has not arrived, nothing is decided", async () => {
    await bed.start({ keyTemplate: "{name}{ext}" });
    bed.process.objects.inject({ method: "putObject", hang: "before" });
    bed.world.remove("a");
    bed.world.write("moved/a", "new");
    await bed.check();
    expect(bed.record("a")?.evidence).not.toBeNull();
    expect(bed.world.bucket().a).toBe("a");
  });

  test("the same key of another upload", async () => {
    await bed.start({ keyTemplate: "{path}" });
    bed.world.volume.mkdirSync("/other");
    bed.world.volume.writeFileSync("/other/a", "a");
    bed.world.volume.utimesSync("/other/a", 1, 1);
    const other = { id: "v", sourceFolder: "/other", bucket: BUCKET, keyTemplate: "{path}" };
    await bed.process.service.register(other);
    await bed.world.until(bed.process.service.finished("v"));
    bed.world.remove("a");
    await bed.check();
    expect(bed.keys()).toEqual(["a", "d/b", "keep"]);
    expect(bed.record("a")).toMatchObject({ evidence: null });
  });
});

describe("an object whose write nobody lived to record", () => {
  /** Sends `content` as `path`, and dies before the answer is there; then the file is removed. */
  async function dieSending(path: string, content: string): Promise<void> {
    bed.world.write(path, content);
    bed.process.objects.inject({ method: "putObject", hang: "after" });
    void bed.process.service.check("u").catch(() => {});
    await bed.world.until(() => bed.world.bucket()[`u/${path}`] === content);
    bed.process.kill();
    bed.world.remove(path);
    await bed.world.clock.advance(MINUTE);
    bed.process = bed.boot();
    await bed.process.service.start();
    await bed.check();
    await bed.world.until(() => bed.record(path)?.state === "REMOVED");
    await bed.check();
  }

  test.each([
    ["of a new file", "new", "3"],
    ["of a file that was recorded with other content", "a", "other"],
  ])("%s goes, too", async (_, path, content) => {
    await bed.start();
    await dieSending(path, content);
    expect(Object.keys(bed.world.bucket())).not.toContain(`u/${path}`);
    expect(bed.record(path)).toMatchObject({ evidence: null, attempts: 0 });
    expect(bed.process.named("file:deleted")).toMatchObject([{ path }]);
    expect(bed.process.named("warning")).toEqual([]);
  });

  test("a stranger's object under the key of a file that never arrived is left", async () => {
    await bed.start();
    await putTheirs("u/new");
    bed.world.write("new", "3");
    bed.process.objects.inject({ method: "putObject", times: ALWAYS, hang: "before" });
    void bed.process.service.check("u").catch(() => {});
    await bed.world.until(() => bed.record("new")?.state === "IN_PROGRESS");
    bed.process.kill();
    bed.world.remove("new");
    await bed.world.clock.advance(MINUTE);
    bed.process = bed.boot();
    await bed.process.service.start();
    await bed.world.until(() => bed.record("new")?.state === "REMOVED");
    await bed.check();
    expect(bed.world.bucket()["u/new"]).toBe("theirs");
    expect(bed.record("new")).toMatchObject({ attempts: 0 });
    expect(bed.process.calls("deleteObject")).toBe(0);
  });
});

describe("trouble with the bucket", () => {
  test.each(["denied", "credentials"] as const)("%s: asked a few times, said once, tried again", async (kind) => {
    await bed.startWithMany(40);
    bed.removeMany(20);
    const fault = bed.process.objects.inject({ method: "deleteObject", times: ALWAYS, before: failure(kind) });
    await bed.check();
    expect(fault.matched).toBeLessThanOrEqual(8);
    expect(bed.process.named("warning")).toHaveLength(1);
    expect(bed.keys()).toHaveLength(43);
    fault.remove();
    await bed.check();
    expect(bed.keys()).toHaveLength(23);
  });

  test("what passes is tried again, and everything is looked at anew before", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.process.objects.inject({ method: "deleteObject", times: 2, before: failure("transient") });
    await bed.check();
    expect(bed.keys()).toHaveLength(2);
    bed.world.remove("d/b");
    bed.process.objects.inject({
      method: "deleteObject",
      run: () => {
        bed.world.write("d/b", "d/b");
        throw failure("transient")();
      },
    });
    await bed.check();
    expect(bed.keys()).toEqual(["u/d/b", "u/keep"]);
  });

  test("a lost answer is settled by asking again", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.process.objects.inject({ method: "deleteObject", after: failure("transient") });
    await bed.check();
    expect(bed.record("a")).toMatchObject({ evidence: null });
    expect(bed.process.named("file:deleted")).toHaveLength(1);
  });

  test("a store that is down is left alone until the next scan", async () => {
    await bed.startWithMany(40);
    bed.removeMany(20);
    const fault = bed.process.objects.inject({ method: "deleteObject", times: ALWAYS, before: failure("transient") });
    await bed.check();
    expect(fault.matched).toBeLessThanOrEqual(3 * 8);
    expect(bed.process.named("warning")).toHaveLength(1);
    fault.remove();
    await bed.check();
    expect(bed.keys()).toHaveLength(23);
  });

  test("one object in dispute does not hold up the others", async () => {
    await bed.start();
    bed.world.remove("a");
    bed.world.remove("d/b");
    const when = ({ key }: { key: string }) => key === "u/a";
    bed.process.objects.inject({ method: "deleteObject", when, times: ALWAYS, before: failure("conflict") });
    await bed.check();
    expect(bed.keys()).toEqual(["u/a", "u/keep"]);
    expect(bed.warnings("OBJECT_CONFLICT")).toHaveLength(1);
  });
});
