import { expect, test } from "vitest";
import { resolveOptions, type ServiceOptions } from "../src/service-options.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { MemoryObjectStore } from "../src/testing/memory-object-store.ts";
import { MemoryStateStore } from "../src/testing/memory-state-store.ts";

const stores = {
  state: new MemoryStateStore({ clock: new FakeClock() }),
  objects: new MemoryObjectStore({ buckets: ["b"] }),
};
const refused = expect.objectContaining({ name: "InputError", code: "INVALID_OPTION" });

test("defaults are filled in, and every service has its own name", () => {
  const [one, two] = [resolveOptions(stores), resolveOptions(stores)];
  expect(one).toMatchObject({
    concurrency: 5,
    partConcurrency: 4,
    mostPartConcurrency: 16,
    chunkSize: 5 * 1024 ** 2,
    memoryLimit: 128 * 1024 ** 2,
    monitorInterval: 60_000,
    stabilityThreshold: 5_000,
    requeueFailedAfter: 3_600_000,
    progressInterval: 500,
    lease: 30_000,
    retry: { attempts: 5, baseMs: 1_000, capMs: 60_000 },
  });
  expect(one.owner).not.toBe(two.owner);
});

test("so many parts at once as were asked for, and not more", () => {
  expect(resolveOptions({ ...stores, partConcurrency: 3 })).toMatchObject({
    partConcurrency: 3,
    mostPartConcurrency: 3,
  });
});

test("what is given stays", () => {
  const options = resolveOptions({ ...stores, owner: "me", stabilityThreshold: 0, retry: { attempts: 1 } });
  expect(options).toMatchObject({
    owner: expect.stringMatching(/^me#.{36}$/),
    stabilityThreshold: 0,
    retry: { attempts: 1, baseMs: 1_000, capMs: 60_000 },
  });
});

test.each<object>([
  { state: undefined },
  { objects: undefined },
  { concurrency: 0 },
  { concurrency: 1.5 },
  { concurrency: "5" },
  { partConcurrency: -1 },
  { chunkSize: 0 },
  { memoryLimit: Number.POSITIVE_INFINITY },
  { monitorInterval: 0 },
  { stabilityThreshold: -1 },
  { progressInterval: Number.NaN },
  { lease: 2 },
])("%j is refused", (options) => {
  expect(() => resolveOptions({ ...stores, ...options } as ServiceOptions)).toThrow(refused);
});

test.each([null, undefined, {}])("%j is refused", (options) => {
  expect(() => resolveOptions(options as unknown as ServiceOptions)).toThrow(refused);
});

test.each([{ attempts: 0 }, { attempts: 1.5 }, { baseMs: -1 }, { capMs: Number.NaN }])(
  "retry %j is refused",
  (retry) => {
    expect(() => resolveOptions({ ...stores, retry })).toThrow(refused);
  },
);
