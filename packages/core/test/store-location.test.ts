import { afterEach, beforeEach, expect, test } from "vitest";
import { importLedger } from "../src/index.ts";
import { MemoryStateStore } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const HERE = "http://here:9000";
const THERE = "http://there:9000";
const OPTIONS = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, onSourceDelete: "delete" } as const;

let world: World;
beforeEach(() => {
  world = new World();
  world.write("a", "1");
});
afterEach(async () => await world.end());

async function uploaded(process: Process, options: object = {}): Promise<void> {
  await process.service.start();
  await process.service.register({ ...OPTIONS, ...options });
  await world.until(process.service.finished("u"));
  let stopped = false;
  void process.service.stop().finally(() => (stopped = true));
  await world.until(() => stopped);
}

const locationOf = () => world.ledger.uploads.get("u")?.spec.storeLocation;
const refusal = {
  code: "UPLOAD_OTHER_STORE",
  message: expect.stringMatching(/http:\/\/here:9000.*http:\/\/there:9000/),
};

test("a service of another store refuses the upload before it touches anything", async () => {
  await uploaded(world.boot({ storeLocation: HERE }));
  expect(locationOf()).toBe(HERE);
  const before = world.ledger.uploads.get("u");
  const starting = world.boot({ storeLocation: THERE });
  const other = world.boot({ storeLocation: THERE });
  const requests: string[] = [];
  const run = ({ method }: { readonly method: string }) => void requests.push(method);
  for (const { objects } of [starting, other]) {
    const always = { times: Number.POSITIVE_INFINITY, run };
    objects.inject({ ...always, method: "checkBucket" });
    objects.inject({ ...always, method: "headObject" });
    objects.inject({ ...always, method: "listObjects" });
    objects.inject({ ...always, method: "listMultiparts" });
    objects.inject({ ...always, method: "putObject" });
  }
  await expect(starting.service.start()).rejects.toMatchObject(refusal);
  const { service } = other;
  for (const call of [
    () => service.register(OPTIONS),
    () => service.verify("u", { repair: true }),
    () => service.retry("u"),
    () => service.cancel("u"),
  ])
    await expect(call()).rejects.toMatchObject(refusal);
  expect(world.ledger.uploads.get("u")).toEqual(before);
  expect(requests).toEqual([]);
});

test("an upload at rest keeps nobody from starting, and is refused when it is asked for", async () => {
  await uploaded(world.boot({ storeLocation: HERE }), { schedule: "manual" });
  const { service } = world.boot({ storeLocation: THERE });
  await service.start();
  await expect(service.check("u")).rejects.toMatchObject(refusal);
  await service.register({ ...OPTIONS, id: "v", keyTemplate: "v/{path}" });
  expect(world.ledger.uploads.get("v")?.spec.storeLocation).toBe(THERE);
});

test("an upload that does not say where its objects are is from its first use on there", async () => {
  await uploaded(world.boot());
  expect(locationOf()).toBeUndefined();
  await uploaded(world.boot({ storeLocation: HERE }));
  expect(locationOf()).toBe(HERE);
  await expect(world.boot({ storeLocation: THERE }).service.start()).rejects.toMatchObject(refusal);
  // Nobody who says nothing is refused, and nothing is forgotten.
  await uploaded(world.boot());
  expect(locationOf()).toBe(HERE);
});

test("of two that are first at once only one is right", async () => {
  await uploaded(world.boot());
  const locations = [HERE, THERE];
  const outcomes = await Promise.allSettled(
    locations.map((storeLocation) => world.boot({ storeLocation }).service.register(OPTIONS)),
  );
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(locationOf()).toBe(locations[outcomes.findIndex(({ status }) => status === "fulfilled")]);
});

test("moves with the ledger into another store", async () => {
  await uploaded(world.boot({ storeLocation: HERE }));
  const state = new MemoryStateStore({ clock: world.clock });
  await state.open();
  await importLedger(state, world.boot().service.export());
  expect((await state.getUpload("u"))?.spec.storeLocation).toBe(HERE);
});

test("uploads of other hosts are theirs", async () => {
  await uploaded(world.boot({ host: "one", storeLocation: HERE }), { host: "one" });
  await world.boot({ host: "two", storeLocation: THERE }).service.start();
  expect(locationOf()).toBe(HERE);
});

test.each(["", 5, null])("the location is not %j", (storeLocation) => {
  expect(() => world.boot({ storeLocation: storeLocation as string })).toThrow("storeLocation");
});
