import { afterEach, beforeEach, expect, test } from "vitest";
import { ObjectStoreError } from "../src/index.ts";
import { BUCKET, SOURCE, World } from "./support/bed.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

async function begin(key: string): Promise<void> {
  const { store } = world;
  await store.createMultipart({ bucket: BUCKET, key, settings: {}, token: "late" });
}

const keys = () =>
  world.store
    .multiparts(BUCKET)
    .map(({ key }) => key)
    .sort();
/** Days pass quickly when little happens in them. */
const slowly = { lease: 3 * HOUR, monitorInterval: HOUR };

async function uploaded(options: object = {}) {
  const process = world.boot({ orphanAge: DAY, ...slowly });
  await process.upload({ mode: "watch", ...options });
  return process;
}

test("an unrecorded multipart upload of ours is aborted once it is old enough, and nobody else's is", async () => {
  world.write("a", "1");
  const process = await uploaded();
  for (const key of ["u/a", "u/never-heard-of", "ux/a", "other/a"]) await begin(key);
  await world.clock.advance(DAY / 2);
  expect(keys()).toEqual(["other/a", "u/a", "u/never-heard-of", "ux/a"]);
  await world.clock.advance(2 * DAY);
  expect(keys()).toEqual(["other/a", "ux/a"]);
  expect(process.named("warning")).toEqual([]);
});

test("below a prefix that others may share, only keys of our own files are touched", async () => {
  world.write("a", "1");
  await uploaded({ keyTemplate: "shared/{path}" });
  for (const key of ["shared/a", "shared/theirs"]) await begin(key);
  await world.clock.advance(3 * DAY);
  expect(keys()).toEqual(["shared/theirs"]);
});

test("a transfer in flight, or to be resumed, is left alone however old it is", async () => {
  world.write("big", "0123456789abcdefghijklmnopqrstuvwxyz");
  const process = world.boot({ orphanAge: 1, ...slowly });
  const stuck = process.objects.inject({
    method: "uploadPart",
    times: Number.POSITIVE_INFINITY,
    before: () =>
      new ObjectStoreError({ kind: "transient", operation: "uploadPart", bucket: BUCKET, status: 500 }, "no"),
  });
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
  await world.until(() => process.named("file:failed").length === 1);
  await world.clock.advance(3 * DAY);
  expect(keys()).toEqual(["u/big"]);
  stuck.remove();
  await world.until(() => "u/big" in world.bucket(), 3 * HOUR);
  expect(process.calls("createMultipart")).toBe(1);
});

test("who may not list is not troubled by it", async () => {
  world.write("a", "1");
  const process = world.boot(slowly);
  const denied = () => new ObjectStoreError({ kind: "denied", operation: "listMultiparts", bucket: BUCKET }, "no");
  const fault = process.objects.inject({ method: "listMultiparts", times: 99, afterItems: 0, error: denied });
  await process.upload({ mode: "watch" });
  await world.clock.advance(2 * DAY);
  expect(fault.fired).toBeGreaterThan(0);
  expect(process.named("warning")).toEqual([]);
});
