import { afterEach, beforeEach, expect, test } from "vitest";
import { ObjectStoreError, type ServiceOptions } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const MIB = 1024 ** 2;
const EIGHT = "8".repeat(8 * MIB);

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

/** A service whose requests carry a body in 20 ms, one file at a time. */
function boot(options: Partial<ServiceOptions> = {}): Process {
  const process = world.boot({ chunkSize: 5 * MIB, concurrency: 1, ...options });
  const always = { times: Number.POSITIVE_INFINITY, delayMs: 20 };
  process.objects.inject({ method: "putObject", ...always });
  // The second part of all may be in trouble.
  process.objects.inject({ method: "uploadPart", delayMs: 20 });
  process.objects.inject({ method: "uploadPart", nth: 5, ...always });
  return process;
}

async function upload(process: Process): Promise<void> {
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
  await world.until(process.service.finished("u"));
}

const counted = (process: Process) => ({
  begun: process.calls("createMultipart"),
  parts: process.calls("uploadPart"),
  puts: process.calls("putObject"),
});

test("once it is known that a request carries more, files go in one that went in parts before", async () => {
  for (const name of ["a", "b", "c"]) world.write(name, EIGHT);
  const process = boot();
  await upload(process);
  expect(world.bucket()).toEqual({ "u/a": EIGHT, "u/b": EIGHT, "u/c": EIGHT });
  expect(counted(process)).toEqual({ begun: 1, parts: 2, puts: 2 });
});

test("larger files go in larger parts", async () => {
  for (const name of ["a", "b"]) world.write(name, EIGHT + EIGHT + EIGHT + EIGHT);
  const process = boot();
  await upload(process);
  // 7 of 5 MiB, then 4 of 8 MiB.
  expect(counted(process)).toEqual({ begun: 2, parts: 11, puts: 0 });
});

test("not while bandwidth is limited: a body is a burst", async () => {
  for (const name of ["a", "b"]) world.write(name, EIGHT);
  const process = boot({ bandwidthLimit: 1_000 * MIB });
  await upload(process);
  expect(counted(process)).toEqual({ begun: 2, parts: 4, puts: 0 });
});

test("a file that was begun in parts goes on in them, and none is sent again", async () => {
  world.write("a", EIGHT);
  world.write("b", "b".repeat(4 * MIB));
  const process = boot({ partConcurrency: 1 });
  const facts = { kind: "transient", operation: "uploadPart", bucket: BUCKET } as const;
  // All requests of the first attempt.
  const down = process.objects.inject({
    method: "uploadPart",
    nth: 2,
    times: 3,
    before: () => new ObjectStoreError(facts, "down"),
  });
  await upload(process);
  expect(world.bucket()).toEqual({ "u/a": EIGHT, "u/b": "b".repeat(4 * MIB) });
  expect(down.fired).toBe(3);
  expect(counted(process)).toEqual({ begun: 1, parts: 2, puts: 1 });
});
