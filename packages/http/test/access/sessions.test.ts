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

test("whoever logs in again and again ends sessions of its own only", () => {
  const sessions = new Sessions(1000, 6);
  const other = sessions.open({ ...forever, name: "other" });
  const own = Array.from({ length: 10 }, () => sessions.open(forever));
  expect(own.map(({ id }) => sessions.find(id) !== null)).toEqual([...Array(7).fill(false), true, true, true]);
  expect(sessions.find(other.id)).not.toBeNull();
  expect(sessions.size).toBe(4);
});

test("who listens is told of each session that ends before its time", () => {
  const sessions = new Sessions(1000, 4);
  const [first, second, third] = [
    sessions.open(forever),
    sessions.open(forever),
    sessions.open({ ...forever, name: "x" }),
  ];
  const isOpen = [first, second, third].map(({ id }) => sessions.watch(id));
  const told: boolean[][] = [];
  sessions.onEnd(() => told.push(isOpen.map((ask) => ask())));
  sessions.close("unknown");
  sessions.close(third.id);
  sessions.open(forever);
  expect(told).toEqual([
    [true, true, false],
    [false, true, false],
  ]);
  vi.setSystemTime(1_001_000);
  expect(isOpen.map((ask) => ask())).toEqual([false, false, false]);
});

test("where there are too many sessions, the oldest makes room; expired ones go first", () => {
  const sessions = new Sessions(1000, 3);
  const open = (name: string, expiresAt: number | null = null) => sessions.open({ ...forever, name, expiresAt });
  const [first, second, third] = [open("a"), open("b", 1_000_100), open("c")];
  vi.setSystemTime(1_000_200);
  const fourth = open("d");
  expect(sessions.find(first.id)).not.toBeNull();
  expect(sessions.find(second.id)).toBeNull();
  const fifth = open("e");
  expect(sessions.size).toBe(3);
  expect(sessions.find(first.id)).toBeNull();
  for (const { id } of [third, fourth, fifth]) expect(sessions.find(id)).not.toBeNull();
});
