import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Sessions } from "../../src/access/sessions.ts";

const forever = { name: "ops", scopes: ["admin"], expiresAt: null } as const;

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

test("a session is found by its id until its age", () => {
  const sessions = new Sessions(1000);
  const { id, expiresAt } = sessions.open(forever);
  expect(expiresAt).toBe(1_001_000);
  expect(sessions.find(id)).toMatchObject({ name: "ops", expiresAt: 1_001_000 });
  expect(sessions.find(`${id}x`)).toBeNull();
  vi.setSystemTime(1_001_000);
  expect(sessions.find(id)).toBeNull();
  expect(sessions.size).toBe(0);
});

test("a session never lasts longer than its credential", () => {
  const sessions = new Sessions(1000);
  expect(sessions.open({ ...forever, expiresAt: 1_000_400 }).expiresAt).toBe(1_000_400);
  expect(sessions.open({ ...forever, expiresAt: 9_000_000 }).expiresAt).toBe(1_001_000);
});

test("a closed session is gone", () => {
  const sessions = new Sessions();
  const { id } = sessions.open(forever);
  sessions.close(id);
  expect(sessions.find(id)).toBeNull();
});

test("where there are too many sessions, the oldest makes room; expired ones go first", () => {
  const sessions = new Sessions(1000, 3);
  const [first, second] = [sessions.open(forever), sessions.open({ ...forever, expiresAt: 1_000_100 })];
  const third = sessions.open(forever);
  vi.setSystemTime(1_000_200);
  const fourth = sessions.open(forever);
  expect(sessions.find(first.id)).not.toBeNull();
  expect(sessions.find(second.id)).toBeNull();
  const fifth = sessions.open(forever);
  expect(sessions.size).toBe(3);
  expect(sessions.find(first.id)).toBeNull();
  for (const { id } of [third, fourth, fifth]) expect(sessions.find(id)).not.toBeNull();
});
