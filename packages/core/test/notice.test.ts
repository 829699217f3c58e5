import { describe, expect, test } from "vitest";
import {
  NOTICE_STATES,
  NOTICE_TRANSITIONS,
  type Notice,
  type NoticeAction,
  type NoticeState,
  newNotice,
  reduceNotice,
} from "../src/notice.ts";
import { NoticeIds } from "../src/notice-ids.ts";

const reason = { code: "NOTICE_UNDELIVERED", message: "It said 500." } as const;

const ACTIONS: { readonly [Type in NoticeAction["type"]]: Extract<NoticeAction, { type: Type }> } = {
  take: { type: "take", nextAttemptAt: 600 },
  deliver: { type: "deliver" },
  postpone: { type: "postpone", reason, nextAttemptAt: 700 },
  giveUp: { type: "giveUp", reason },
  revive: { type: "revive" },
  discard: { type: "discard" },
};

const fresh = newNotice(
  {
    id: "ntc_1",
    subscriber: "s",
    event: "upload:completed",
    payload: { uploadId: "u", state: "COMPLETED", reason: null },
  },
  10,
);

const inState = (state: NoticeState): Notice => ({ ...fresh, state, revision: 4, attempts: 3, nextAttemptAt: 50 });

/** Per action, where each state leads (null: gone); missing: refused. Written out, so that the table cannot agree with itself alone. */
const TABLE: Readonly<Record<NoticeAction["type"], Partial<Record<NoticeState, NoticeState | null>>>> = {
  take: { DUE: "DUE" },
  deliver: { DUE: null },
  postpone: { DUE: "DUE" },
  giveUp: { DUE: "DEAD" },
  revive: { DEAD: "DUE" },
  discard: { DUE: null, DEAD: null },
};

test("a new notice is due at once, and nobody has tried to deliver it", () => {
  expect(fresh).toMatchObject({ state: "DUE", revision: 1, attempts: 0, nextAttemptAt: 0, reason: null });
  expect([fresh.createdAt, fresh.updatedAt]).toEqual([10, 10]);
});

describe.each(Object.values(ACTIONS))("$type", (action) => {
  test.each(NOTICE_STATES)("of a notice that is %s", (state) => {
    const to = TABLE[action.type][state];
    expect(NOTICE_TRANSITIONS[action.type].from.includes(state)).toBe(to !== undefined);
    const reduce = () => reduceNotice(inState(state), action, 99);
    if (to === undefined) {
      expect(reduce).toThrow(expect.objectContaining({ code: "INVALID_TRANSITION" }));
      return;
    }
    const after = reduce();
    if (to === null) expect(after).toBeNull();
    else expect(after).toMatchObject({ id: "ntc_1", state: to, revision: 5, updatedAt: 99, createdAt: 10 });
  });
});

test("what an action changes, and nothing else", () => {
  const due = inState("DUE");
  const stamp = { revision: 5, updatedAt: 99 };
  expect(reduceNotice(due, ACTIONS.take, 99)).toEqual({ ...due, ...stamp, attempts: 4, nextAttemptAt: 600 });
  expect(reduceNotice(due, ACTIONS.postpone, 99)).toEqual({ ...due, ...stamp, reason, nextAttemptAt: 700 });
  expect(reduceNotice(due, ACTIONS.giveUp, 99)).toEqual({ ...due, ...stamp, state: "DEAD", reason });
  const dead: Notice = { ...inState("DEAD"), reason };
  expect(reduceNotice(dead, ACTIONS.revive, 99)).toEqual({
    ...{ ...dead, ...stamp, state: "DUE" },
    ...{ attempts: 0, nextAttemptAt: 0 },
  });
});

describe("ids", () => {
  const NOW = Date.UTC(2026, 0, 1);

  test("sort in order of creation, within a millisecond, too", () => {
    const ids = new NoticeIds("host#0192f0c4-1111-4222-8333-0123456789ab");
    const made = [NOW, NOW, NOW, NOW + 1, NOW + 40, NOW + 40, NOW + 86_400_000].map((now) => ids.next(now));
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
    for (const id of made) expect(id).toMatch(/^ntc_[0-9a-z]{14}0123456789ab$/);
  });

  test("sort in order of creation although the clock is set back", () => {
    const ids = new NoticeIds("run");
    const made = [NOW, NOW - 86_400_000, NOW - 86_400_000, NOW - 5, NOW, NOW + 1].map((now) => ids.next(now));
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  test("never come twice, however many are made in one millisecond", () => {
    const ids = new NoticeIds("run");
    let last = "";
    for (let count = 0; count < 36 ** 4 + 10; count++) {
      const id = ids.next(NOW);
      if (id <= last) expect(`${id} after ${last}`).toBe("in order");
      last = id;
    }
    expect(last).toHaveLength("ntc_".length + 14 + "run".length);
  });

  test("of two runs differ", () => {
    expect(new NoticeIds("a").next(NOW)).not.toBe(new NoticeIds("b").next(NOW));
  });
});
