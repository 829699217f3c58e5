import { expect, test } from "vitest";
import { type FileAction, reduceFile } from "../src/file.ts";
import { HISTORY_LIMIT } from "../src/history.ts";
import { facts, file } from "./support/records.ts";

const reason = { code: "INTEGRITY", message: "m" } as const;
const claim: FileAction = { type: "claim", owner: "o" };
const changed: FileAction = { type: "changed", facts: facts(20, 2), key: "k", nextAttemptAt: 0 };

const live = (...actions: readonly FileAction[]) =>
  actions.reduce((before, action, now) => reduceFile(before, action, now), file());

test("what goes well leaves no trace, and shares the empty history", () => {
  const before = file();
  const held = reduceFile(before, claim, 1);
  expect(held.history).toBe(before.history);
  expect(live(claim, { type: "parts" }, { type: "release", burnt: false }, { type: "requeue" }).history).toEqual([]);
});

test("what does not go well is kept, with its attempt and its reason", () => {
  const retry: FileAction = { type: "retry", reason, nextAttemptAt: 0, burnt: true };
  const fail: FileAction = { type: "fail", reason, nextAttemptAt: 0 };
  const file = live(claim, retry, claim, { type: "release", burnt: true }, claim, fail, { type: "requeue" }, changed);
  expect(file.history).toEqual([
    { at: 1, what: "retry", attempt: 1, reason },
    { at: 3, what: "rescue", attempt: 2, reason: null },
    { at: 5, what: "fail", attempt: 3, reason },
    { at: 6, what: "requeue", attempt: 0, reason: null },
    { at: 7, what: "changed", attempt: 0, reason: null },
  ]);
});

test("a file that changes and changes is one thing", () => {
  expect(live(changed, changed, changed).history).toEqual([{ at: 2, what: "changed", attempt: 0, reason: null }]);
});

test("the newest entries are kept, and long messages cut", () => {
  const message = "x".repeat(1_000);
  let poison = file();
  for (let now = 0; now < 100; now++) {
    const retry: FileAction = { type: "retry", reason: { code: "INTEGRITY", message }, nextAttemptAt: 0, burnt: true };
    poison = reduceFile(reduceFile(poison, claim, now), retry, now);
  }
  expect(poison.history).toHaveLength(HISTORY_LIMIT);
  expect(poison.history.map(({ at }) => at)).toEqual(Array.from({ length: HISTORY_LIMIT }, (_, n) => 84 + n));
  expect(poison.history[0]?.reason?.message).toBe(`${"x".repeat(300)}…`);
  expect(poison.reason?.message).toBe(message);
});

test("failures outlive the attempts between them, so that a failure is not news again", () => {
  const retry: FileAction = { type: "retry", reason, nextAttemptAt: 0, burnt: true };
  const fail: FileAction = { type: "fail", reason, nextAttemptAt: 0 };
  const attempts = Array.from({ length: 30 }, () => [claim, retry]).flat();
  const { history } = live(...attempts, claim, fail, { type: "requeue" }, ...attempts, claim, fail);
  expect(history).toHaveLength(HISTORY_LIMIT);
  expect(history.filter(({ what }) => what === "fail")).toHaveLength(2);
});
