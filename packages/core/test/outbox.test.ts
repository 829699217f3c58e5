import { beforeEach, describe, expect, test, vi } from "vitest";
import { Deliveries } from "../src/deliveries.ts";
import { Ledger } from "../src/ledger.ts";
import { Outbox } from "../src/outbox.ts";
import type { NoticeLedger, StateStore } from "../src/ports/state-store.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { faulty } from "../src/testing/faulty.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";
import { reduceUpload, type UploadAction } from "../src/upload.ts";
import { Uploads } from "../src/uploads.ts";
import { file, settle, upload } from "./support/records.ts";

const DAY = 86_400_000;
const NOW = 10 * DAY;
const reason = { code: "NOTICE_UNDELIVERED", message: "It said 500." } as const;
const fail: UploadAction = { type: "fail", reason: { code: "BUCKET_NOT_FOUND", message: "m" } };

async function setUp() {
  const clock = new FakeClock(NOW);
  const memory = new MemoryStateStore({ clock });
  await memory.open();
  const { port, inject } = faulty<StateStore>(memory);
  const troubles: unknown[] = [];
  const outbox = new Outbox({ clock, owner: "run", onTrouble: (error) => troubles.push(error) });
  const uploads = new Uploads({ state: port, clock, emit: () => {}, outbox });
  const signal = new AbortController().signal;
  const ledger = new Ledger({ state: port, clock, signal, onTrouble: () => {}, notices: outbox });
  let isStopped = false;
  const refuseIfStopped = () => {
    if (isStopped) throw new Error("stopped");
  };
  const host = (state: NoticeLedger = port) =>
    new Deliveries({ outbox, state, clock, open: async () => refuseIfStopped(), refuseIfStopped });
  const failUpload = async (id: string) => {
    await memory.insertUpload(upload({}, id));
    await uploads.apply(id, fail);
  };
  const stop = () => {
    isStopped = true;
  };
  return { clock, memory, inject, outbox, uploads, ledger, host, failUpload, troubles, stop };
}

let bed: Awaited<ReturnType<typeof setUp>>;
beforeEach(async () => {
  bed = await setUp();
});

const take = (host: Deliveries, limit = 10) => host.take({ subscriber: "s", limit, leaseMs: 60_000 });

async function takeOne(host: Deliveries) {
  const [notice] = await take(host, 1);
  if (!notice) throw new Error("nothing is due");
  return notice;
}

describe("keepFor", () => {
  test.each(["", "a b", "ü", "x".repeat(65), 7, undefined])("refuses %j as a name", (name) => {
    expect(() => bed.host().keepFor(name as string, ["file:failed"])).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  });

  test.each([[[]], [["file:uploaded"]], ["file:failed"], [undefined]])("refuses %j as events", (events) => {
    expect(() => bed.host().keepFor("s", events as never)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });

  test("is for before the start only", () => {
    const host = bed.host();
    host.keepFor("A.b-c_9", ["file:failed"]);
    bed.outbox.begin();
    expect(() => host.keepFor("s", ["file:failed"])).toThrow(expect.objectContaining({ code: "SERVICE_STARTED" }));
  });

  test("said again it is said anew", async () => {
    const host = bed.host();
    host.keepFor("s", ["upload:failed"]);
    host.keepFor("s", ["upload:completed"]);
    await bed.failUpload("u");
    expect(await host.list()).toEqual([]);
  });

  test("keeps for each subscriber what it wants, and nothing for nobody", async () => {
    await bed.failUpload("before");
    const host = bed.host();
    host.keepFor("s", ["upload:failed", "file:failed"]);
    host.keepFor("t", ["upload:failed"]);
    host.keepFor("v", ["upload:completed"]);
    await bed.failUpload("u");
    const notices = await host.list();
    expect(notices.map(({ subscriber }) => subscriber).sort()).toEqual(["s", "t"]);
    for (const notice of notices)
      expect(notice).toMatchObject({
        event: "upload:failed",
        payload: { uploadId: "u" },
        createdAt: NOW,
        state: "DUE",
      });
  });
});

describe("recording", () => {
  test("is part of the very write, and of no other", async () => {
    bed.host().keepFor("s", ["upload:completed"]);
    const calls: unknown[][] = [];
    const when = (...args: unknown[]) => calls.push(args) < 0;
    bed.inject({ method: "updateUpload", times: Number.POSITIVE_INFINITY, when, before: new Error("never") });
    await bed.memory.insertUpload(upload());
    await bed.uploads.apply("u", { type: "start" });
    await bed.uploads.apply("u", { type: "complete" });
    expect(calls.map(([, , notices]) => (notices as unknown[]).length)).toEqual([0, 1]);
  });

  test("an upload that somebody else has cancelled meanwhile has failed nobody", async () => {
    const host = bed.host();
    host.keepFor("s", ["upload:failed"]);
    const heard = vi.fn();
    host.onNotice(heard);
    await bed.memory.insertUpload(upload());
    const run = async ({ proceed }: { proceed: () => unknown }) => {
      const now = await bed.uploads.get("u");
      await bed.memory.updateUpload(now, reduceUpload(now, { type: "cancel" }, 1));
      return proceed();
    };
    bed.inject({ method: "updateUpload", run });
    await expect(bed.uploads.apply("u", fail)).rejects.toMatchObject({ code: "INVALID_TRANSITION" });
    expect(await host.list()).toEqual([]);
    expect(heard).not.toHaveBeenCalled();
  });

  test("of files only what is applied, and the hint comes when it can be taken", async () => {
    const host = bed.host();
    host.keepFor("s", ["file:failed"]);
    const heard: Promise<unknown>[] = [];
    host.onNotice((subscriber) => heard.push(host.take({ subscriber, limit: 10, leaseMs: 1 })));
    await bed.memory.insertUpload(upload());
    const held = file({ state: "IN_PROGRESS", owner: "o" });
    await bed.memory.commit([{ before: null, after: held }]);
    const after = { ...held, state: "FAILED", revision: held.revision + 1, reason } as const;
    const overtaken = { ...held, revision: 9 };
    const outcomes = Promise.all([
      bed.ledger.offer({ before: overtaken, after: { ...after, revision: 10 } }),
      bed.ledger.offer({ before: held, after }),
    ]);
    await bed.clock.advance(10);
    expect(await outcomes).toEqual(["conflict", "applied"]);
    expect(heard).toHaveLength(1);
    expect(await heard[0]).toMatchObject([{ event: "file:failed", payload: { path: "a.txt", reason } }]);
    expect(await host.list()).toHaveLength(1);
  });

  test("a listener that throws or rejects is reported, and disturbs nobody", async () => {
    const host = bed.host();
    host.keepFor("s", ["upload:failed"]);
    const heard = vi.fn();
    host.onNotice(() => {
      throw new Error("thrown");
    });
    host.onNotice((async () => Promise.reject(new Error("rejected"))) as () => void);
    const end = host.onNotice(heard);
    await bed.failUpload("u");
    await settle();
    expect(heard.mock.calls).toEqual([["s"]]);
    expect(bed.troubles).toEqual([new Error("thrown"), new Error("rejected")]);
    end();
    await bed.failUpload("v");
    expect(heard).toHaveBeenCalledOnce();
  });
});

describe("delivery", () => {
  let host: Deliveries;
  beforeEach(async () => {
    host = bed.host();
    host.keepFor("s", ["upload:failed"]);
    for (const id of ["a", "b", "c"]) await bed.failUpload(id);
  });

  const uploadsOf = (notices: readonly { payload: { uploadId: string } }[]) =>
    notices.map(({ payload }) => payload.uploadId);

  test("takes the earliest first, no more than the limit, and none twice while the lease holds", async () => {
    const first = await take(host, 2);
    expect(uploadsOf(first)).toEqual(["a", "b"]);
    expect(first[0]).toMatchObject({ attempts: 1, nextAttemptAt: NOW + 60_000, revision: 2 });
    expect(uploadsOf(await take(host))).toEqual(["c"]);
    expect(await take(host)).toEqual([]);
    expect(await host.nextDue("s")).toBe(NOW + 60_000);
    expect(await host.nextDue("t")).toBeUndefined();
  });

  const tooLong = DAY + 1;
  test.each([...[{ limit: 0 }, { limit: 1.5 }, { leaseMs: 0 }, { leaseMs: Number.NaN }, { leaseMs: tooLong }]])(
    "refuses %j",
    async (wrong) => {
      await expect(host.take({ subscriber: "s", limit: 1, leaseMs: 1, ...wrong })).rejects.toMatchObject({
        code: "INVALID_OPTION",
      });
    },
  );

  test("when the lease is over it is taken again, and who was late changes nothing", async () => {
    const late = await takeOne(host);
    await bed.clock.advance(60_000);
    const again = (await take(host)).find(({ id }) => id === late.id);
    expect(again).toMatchObject({ attempts: 2 });
    expect(await host.delivered(late)).toBe(false);
    expect(await host.postpone(late, reason, NOW)).toBe(false);
    expect(await host.giveUp(late, reason)).toBe(false);
    expect(await host.get(late.id)).toEqual(again);
    expect(again && (await host.delivered(again))).toBe(true);
    await expect(host.get(late.id)).rejects.toMatchObject({ code: "NOTICE_NOT_FOUND", name: "NoticeError" });
  });

  test("of several hosts each notice goes to one, and each gets all it asked for while there is any", async () => {
    const hosts = [bed.host(), bed.host(), bed.host()];
    const taken = await Promise.all(hosts.map((each) => take(each, 1)));
    expect(uploadsOf(taken.flat()).sort()).toEqual(["a", "b", "c"]);
    expect(taken.map((notices) => notices.length)).toEqual([1, 1, 1]);
  });

  test("what is delivered is gone", async () => {
    expect(await host.delivered(await takeOne(host))).toBe(true);
    expect(uploadsOf(await host.list())).toEqual(["b", "c"]);
  });

  test("what is postponed is due then, with the reason", async () => {
    const notice = await takeOne(host);
    expect(await host.postpone(notice, reason, NOW + 5_000)).toBe(true);
    expect(await host.get(notice.id)).toMatchObject({ state: "DUE", attempts: 1, reason, nextAttemptAt: NOW + 5_000 });
    expect(uploadsOf(await take(host))).toEqual(["b", "c"]);
    await bed.clock.advance(5_000);
    expect(await take(host)).toMatchObject([{ id: notice.id, attempts: 2 }]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, NOW + 0.5, undefined])("is not postponed to %j", async (time) => {
    const notice = await takeOne(host);
    const answer = host.postpone(notice, reason, time as number);
    await expect(answer).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(await host.get(notice.id)).toEqual(notice);
  });

  test("is postponed by a day at most", async () => {
    const notice = await takeOne(host);
    expect(await host.postpone(notice, reason, NOW + 7 * DAY)).toBe(true);
    expect(await host.get(notice.id)).toMatchObject({ nextAttemptAt: NOW + DAY });
  });

  test("a clock that is set back by days keeps nothing waiting", async () => {
    const [leased, postponed] = await take(host, 2);
    if (!leased || !postponed) throw new Error("nothing is due");
    await host.postpone(postponed, reason, NOW + DAY);
    bed.clock.step(-3 * DAY);
    expect(uploadsOf(await take(host, 1))).toEqual(["c"]);
    expect(await host.nextDue("s")).toBe(NOW - 3 * DAY + 60_000);
    expect(uploadsOf(await take(host))).toEqual(["a", "b"]);
    expect(await take(host)).toEqual([]);
    expect(await host.delivered(leased)).toBe(false);
  });

  test("of what lies beyond a day it is said that it is due", async () => {
    await take(host);
    bed.clock.step(-3 * DAY);
    expect(await host.nextDue("s")).toBe(NOW - 3 * DAY);
  });

  test("what could be taken before the ledger failed is not lost for the time of its lease", async () => {
    const error = new Error("out of reach");
    bed.inject({ method: "updateNotice", nth: 2, before: error });
    expect(uploadsOf(await take(host))).toEqual(["a", "c"]);
    bed.inject({ method: "updateNotice", before: error });
    await expect(take(host)).rejects.toThrow("out of reach");
  });

  test("one call never takes a notice twice, however long it takes", async () => {
    const run = async ({ proceed }: { proceed: () => unknown }) => {
      await bed.clock.advance(60_000);
      return proceed();
    };
    bed.inject({ method: "dueNotices", times: Number.POSITIVE_INFINITY, run });
    expect(uploadsOf(await take(host))).toEqual(["a", "b", "c"]);
  });

  test("what is given up is dead until it is revived, which is told", async () => {
    const notice = await takeOne(host);
    expect(await host.giveUp(notice, reason)).toBe(true);
    await bed.clock.advance(1_000_000);
    expect(uploadsOf(await take(host))).toEqual(["b", "c"]);
    expect(uploadsOf(await host.list({ states: ["DEAD"] }))).toEqual(["a"]);
    const heard = vi.fn();
    host.onNotice(heard);
    expect(await host.revive(notice.id)).toMatchObject({ state: "DUE", attempts: 0, nextAttemptAt: 0, reason });
    expect(heard).toHaveBeenCalledExactlyOnceWith("s");
    expect(await take(host)).toMatchObject([{ id: notice.id, attempts: 1 }]);
    await expect(host.revive(notice.id)).rejects.toMatchObject({ code: "INVALID_TRANSITION" });
    await expect(host.revive("ntc_unknown")).rejects.toMatchObject({ code: "NOTICE_NOT_FOUND" });
  });

  test("a revival goes on when somebody else gets in between", async () => {
    const notice = await takeOne(host);
    await host.giveUp(notice, reason);
    const run = async ({ proceed }: { proceed: () => unknown }) => {
      const now = await host.get(notice.id);
      await bed.memory.updateNotice(now, { ...now, revision: now.revision + 1 });
      return proceed();
    };
    bed.inject({ method: "updateNotice", run });
    expect(await host.revive(notice.id)).toMatchObject({ state: "DUE", revision: 5 });
  });

  test("what is discarded is gone, dead or due", async () => {
    const dead = await takeOne(host);
    await host.giveUp(dead, reason);
    const due = await takeOne(host);
    await host.discard(due.id);
    await host.discard(dead.id);
    expect(uploadsOf(await host.list())).toEqual(["c"]);
    await expect(host.discard(due.id)).rejects.toMatchObject({ code: "NOTICE_NOT_FOUND" });
  });

  test("lists page by page, by subscriber and state", async () => {
    const all = await host.list();
    expect(uploadsOf(all)).toEqual(["a", "b", "c"]);
    expect(uploadsOf(await host.list({ limit: 2 }))).toEqual(["a", "b"]);
    expect(uploadsOf(await host.list({ after: all[1]?.id ?? "" }))).toEqual(["c"]);
    expect(await host.list({ subscriber: "t" })).toEqual([]);
    expect(await host.list({ states: ["DEAD"] })).toEqual([]);
  });

  test("everything is refused once the service is stopped", async () => {
    const notice = await takeOne(host);
    bed.stop();
    const calls: (() => Promise<unknown>)[] = [
      ...[() => take(host), () => host.list(), () => host.nextDue("s"), () => host.get(notice.id)],
      ...[() => host.delivered(notice), () => host.postpone(notice, reason, 0), () => host.giveUp(notice, reason)],
      ...[() => host.revive(notice.id), () => host.discard(notice.id)],
    ];
    for (const call of calls) await expect(call()).rejects.toThrow("stopped");
    expect(() => host.keepFor("s", ["file:failed"])).toThrow("stopped");
    expect(() => host.onNotice(() => {})).toThrow("stopped");
  });
});
