import { setImmediate } from "node:timers/promises";
import { type NoticeState, reduceFile, type StateStore, systemClock } from "@bucketline/core";
import { Draft, MemoryState } from "@bucketline/core/memory";
import { MemoryStateStore } from "@bucketline/core/testing";
import { expect, test } from "vitest";
import { Ledger } from "../src/ledger.ts";
import { SavedState } from "../src/saved-state.ts";
import { aFile, aNotice, anUpload, everyFile, fill, NOW, opened, testFolder } from "./folder.ts";
import { dump, Machine, MachineDisk, NAMES, Succession, seeded, systemError } from "./machine.ts";

async function ledgerOn(disk: MachineDisk, succession = new Succession()): Promise<Ledger> {
  const { saved, state } = await SavedState.open(disk, NAMES, succession.next());
  return new Ledger(saved, state);
}

const insert = (path: string) => (draft: Draft) => draft.commit([{ before: null, after: aFile(path) }]);

test("readers see nothing before it is durable", async () => {
  let letGo = () => {};
  let isHeld = false;
  const disk = new MachineDisk(new Machine(), () => {
    if (!isHeld) return undefined;
    return new Promise<void>((resolve) => {
      letGo = resolve;
    });
  });
  const ledger = await ledgerOn(disk);
  await ledger.write((draft) => draft.insertUpload(anUpload()));
  const before = dump(ledger.state);
  const operations = disk.operations;
  isHeld = true;
  const written = ledger.write(insert("a"));
  const later = ledger.write((draft) => draft.updateUpload(anUpload(), { ...anUpload(), revision: 2 }));
  while (disk.operations < operations + 1) await setImmediate();
  expect(dump(ledger.state), "while it is appended").toBe(before);
  letGo();
  while (disk.operations < operations + 2) await setImmediate();
  expect(dump(ledger.state), "while it is synced").toBe(before);
  isHeld = false;
  letGo();
  expect(await written).toEqual(["applied"]);
  expect(await later).toBe(true);
  expect(ledger.state.filesOf("u").get("a")).toEqual(aFile("a"));
});

test("calls that come together share one line and one sync, and see each other in order", async () => {
  const machine = new Machine();
  const disk = new MachineDisk(machine);
  const ledger = await ledgerOn(disk);
  const operations = disk.operations;
  const outcomes = await Promise.all([
    ledger.write((draft) => draft.insertUpload(anUpload())),
    ledger.write((draft) => draft.insertUpload(anUpload())),
    ...Array.from({ length: 50 }, (_, n) => ledger.write(insert(`${n % 40}`))),
  ]);
  expect(outcomes.slice(0, 2)).toEqual([true, false]);
  expect(
    outcomes
      .slice(2)
      .flat()
      .filter((outcome) => outcome === "applied"),
  ).toHaveLength(40);
  expect(disk.operations - operations).toBe(2);
});

test("a group that cannot be written has not happened; a call that throws spoils only itself", async () => {
  const machine = new Machine();
  let isFull = false;
  const ledger = await ledgerOn(
    new MachineDisk(machine, () => {
      if (isFull) throw systemError("ENOSPC", "write");
    }),
  );
  await ledger.write((draft) => draft.insertUpload(anUpload()));
  const before = dump(ledger.state);
  isFull = true;
  const calls = await Promise.allSettled([ledger.write(insert("a")), ledger.write(insert("a"))]);
  expect(calls.map((call) => call.status)).toEqual(["rejected", "rejected"]);
  expect(dump(ledger.state)).toBe(before);
  isFull = false;
  const failing = ledger.write(() => {
    throw new Error("from take");
  });
  const [failed, fine] = await Promise.allSettled([failing, ledger.write(insert("a"))]);
  expect(failed).toMatchObject({ status: "rejected", reason: { message: "from take" } });
  expect(fine).toEqual({ status: "fulfilled", value: ["applied"] });
  expect(dump((await ledgerOn(new MachineDisk(machine.afterKill()), new Succession(9))).state)).toBe(
    dump(ledger.state),
  );
});

/** A random call, the same for every store. */
function randomCall(random: () => number): (store: StateStore) => Promise<unknown> {
  const pick = (limit: number) => Math.floor(random() * limit);
  const [kind, name, revision, due, limit] = [pick(11), `f${pick(12)}`, pick(4), NOW + pick(3), pick(4)];
  const take = (file: ReturnType<typeof aFile>) => reduceFile(file, { type: "claim", owner: `o${due}` }, NOW);
  const release = (file: ReturnType<typeof aFile>) => reduceFile(file, { type: "release", burnt: true }, NOW);
  const id = pick(6);
  const notice = (revision: number, state: NoticeState = "DUE") =>
    aNotice(`${id}`, { revision, state, nextAttemptAt: due, subscriber: SUBSCRIBERS[id % 2] ?? "" });
  const change = {
    notices: [notice(limit)],
    before: revision === 0 ? null : aFile(name, { revision }),
    after: aFile(name, {
      revision: revision + 1,
      nextAttemptAt: due,
      size: due,
      state: limit === 3 ? "UPLOADED" : "PENDING",
    }),
  };
  if (kind < 4)
    return (store) => store.commit([change, { before: null, after: aFile(`g${name}`, { nextAttemptAt: due }) }]);
  if (kind < 6) {
    const request = { uploadId: "u", uploadState: "IN_PROGRESS", limit, now: NOW + 1, horizon: NOW + 1, take } as const;
    return (store) => store.claim(request);
  }
  if (kind === 6) return (store) => store.rescue({ limit, release });
  if (kind === 7)
    return (store) =>
      store.updateUpload({ ...anUpload(), revision }, { ...anUpload(), revision: revision + 1 }, [notice(1)]);
  const after = kind === 8 ? null : notice(revision + 1, kind === 9 ? "DUE" : "DEAD");
  return (store) => store.updateNotice(notice(revision), after);
}

const SUBSCRIBERS = ["s", "t"];

async function everyNotice(store: StateStore): Promise<unknown> {
  const asked = SUBSCRIBERS.map((subscriber) => [
    store.dueNotices({ subscriber, dueBy: NOW + 1, horizon: Number.MAX_SAFE_INTEGER, limit: 9 }),
    store.nextNotice(subscriber),
  ]);
  return await Promise.all([store.listNotices({ limit: 9 }), ...asked.flat()]);
}

test("calls made at once do what the same calls do one after the other", async () => {
  const seed = Math.floor(Math.random() * 1e9) + 1;
  const random = seeded(seed);
  for (let round = 0; round < 30; round++) {
    const model = new MemoryStateStore({ clock: systemClock });
    await model.open();
    const store = await opened(`${testFolder()}/uploads.json`);
    for (const each of [model, store]) await each.insertUpload(anUpload());
    for (let group = 0; group < 6; group++) {
      const calls = Array.from({ length: 8 }, () => randomCall(random));
      const results = await Promise.all(calls.map((call) => call(store)));
      const expected: unknown[] = [];
      for (const call of calls) expected.push(await call(model));
      expect(results, `seed ${seed}, round ${round}`).toEqual(expected);
    }
    expect(await everyFile(store)).toEqual(await everyFile(model));
    expect(await everyNotice(store), `seed ${seed}, round ${round}`).toEqual(await everyNotice(model));
    await store.close();
    await store.open();
    expect(await everyFile(store), `seed ${seed}, round ${round}`).toEqual(await everyFile(model));
    expect(await everyNotice(store), `seed ${seed}, round ${round}`).toEqual(await everyNotice(model));
    expect(await store.counters("u")).toEqual(await model.counters("u"));
    await store.close();
  }
});

test("a draft leaves its state alone until its writes are applied", () => {
  const state = new MemoryState();
  const draft = new Draft(state);
  draft.insertUpload(anUpload());
  draft.commit([{ before: null, after: aFile("a"), notices: [aNotice("n"), aNotice("n", { attempts: 1 })] }]);
  draft.updateUpload(anUpload(), { ...anUpload(), revision: 2 }, [aNotice("n", { attempts: 2 }), aNotice("o")]);
  draft.updateNotice(aNotice("o"), null);
  expect(dump(state)).toBe(dump(new MemoryState()));
  for (const write of draft.writes) state.apply(write);
  expect(state.filesOf("u").get("a")).toEqual(aFile("a"));
  expect(state.notices.list({ limit: 9 })).toEqual([aNotice("n")]);
});

test("what an owner of an earlier opening held is given back, unless it beats again", async () => {
  const store = await opened(`${testFolder()}/uploads.json`);
  await fill(store, 3);
  await store.heartbeat("o", 3_600_000);
  const take = (file: ReturnType<typeof aFile>) => reduceFile(file, { type: "claim", owner: "o" }, NOW);
  const release = (file: ReturnType<typeof aFile>) => reduceFile(file, { type: "release", burnt: true }, NOW);
  await store.claim({ uploadId: "u", uploadState: "IN_PROGRESS", limit: 2, now: NOW, horizon: NOW, take });
  expect(await store.isAlive("o")).toBe(true);
  expect(await store.rescue({ limit: 9, release })).toEqual([]);
  await store.close();
  await store.open();
  expect(await store.isAlive("o")).toBe(false);
  expect(await store.rescue({ limit: 1, release })).toHaveLength(1);
  await store.heartbeat("o", 3_600_000);
  expect(await store.rescue({ limit: 9, release })).toEqual([]);
});
