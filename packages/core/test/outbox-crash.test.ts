import { describe, expect, test } from "vitest";
import { type Notice, ObjectStoreError } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const FILES = ["bad", "good", "worse"];

function newWorld(): World {
  const world = new World();
  for (const path of FILES) world.write(path, path);
  return world;
}

/** A process in which two of three files always fail. */
function boot(world: World): Process {
  const process = world.boot({ retry: { attempts: 1 } });
  process.objects.inject({
    method: "putObject",
    times: Number.POSITIVE_INFINITY,
    when: ({ key }) => key !== "u/good",
    before: () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "refused"),
  });
  process.service.outbox.keepFor("s", ["upload:completed", "upload:failed", "file:failed"]);
  return process;
}

async function run(world: World, process: Process): Promise<void> {
  let isOver = false;
  const work = async () => {
    await process.service.start();
    await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once" });
    await process.service.finished("u");
  };
  void work()
    .catch(() => {})
    .finally(() => (isOver = true));
  await world.until(() => process.dead || isOver);
}

const whatOf = ({ event, payload }: Notice) => ("path" in payload ? `${event} ${payload.path}` : event);

/** What the ledger says has happened, and what it says is to be told. */
function stateOf(world: World) {
  const failed = world.files().filter(({ state }) => state === "FAILED");
  const happened = failed.map(({ path }) => `file:failed ${path}`);
  if (world.ledger.uploads.get("u")?.state === "FAILED") happened.push("upload:failed");
  return { happened, told: world.ledger.notices.list({ limit: 100 }).map(whatOf).sort() };
}

const ALL = ["file:failed bad", "file:failed worse", "upload:failed"];

test("the service keeps what its subscriber is to be told, and tells the host that it is there", async () => {
  const world = newWorld();
  const process = boot(world);
  const heard: string[] = [];
  process.service.outbox.onNotice((subscriber) => heard.push(subscriber));
  process.service.outbox.onNotice(() => {
    throw new Error("mine");
  });
  await run(world, process);
  expect(process.named("warning")).toContainEqual({ code: "LISTENER_THREW", message: "A listener threw: mine" });
  expect(stateOf(world)).toEqual({ happened: ALL, told: ALL });
  expect(heard.length).toBeGreaterThanOrEqual(1);
  const taken = process.service.outbox.take({ subscriber: "s", limit: 10, leaseMs: 60_000 });
  expect((await world.until(taken)).map(whatOf).sort()).toEqual(ALL);
  expect(() => process.service.outbox.keepFor("late", ["file:failed"])).toThrow(
    expect.objectContaining({ code: "SERVICE_STARTED" }),
  );
  await world.end();
  await expect(process.service.outbox.list()).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
});

describe("killed at any call, what has happened is what is to be told", async () => {
  const undisturbed = newWorld();
  const counted = boot(undisturbed);
  const calls = counted.killAtCall(Number.POSITIVE_INFINITY, "before");
  await run(undisturbed, counted);
  const made = calls();
  await undisturbed.end();

  test.each(["before", "after"] as const)("%s the call takes effect", async (when) => {
    expect(made).toBeGreaterThan(20);
    const moments = new Set<string>();
    for (let nth = 1; nth <= made; nth++) {
      const world = newWorld();
      const first = boot(world);
      first.killAtCall(nth, when);
      await run(world, first);
      const story = `killed ${when} call ${nth} of ${made}`;
      const { happened, told } = stateOf(world);
      expect(told, story).toEqual(happened);
      moments.add(told.join());
      await run(world, boot(world));
      await world.end();
      expect(stateOf(world), story).toEqual({ happened: ALL, told: ALL });
    }
    expect(moments.size, "some kill lies between the notices").toBeGreaterThan(1);
  });
});
