import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StateStoreError } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const MINUTE = 60_000;

let world: World;
let process: Process;
beforeEach(() => {
  world = new World();
  world.write("a", "1");
  world.write("d/b", "2");
  process = world.boot({ monitorInterval: MINUTE });
});
afterEach(async () => {
  await world.end();
});

async function start(options: object = {}): Promise<void> {
  await process.service.start();
  const spec = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, ...options };
  await process.service.register(spec as never);
  await world.until(process.service.finished("u"));
}

const states = () => world.files().map(({ path, state }) => `${path} ${state}`);
const check = (request = {}) => world.until(process.service.check("u", request));
const upload = () => process.service.get("u");

/** As when a disk is unmounted: its mount point shows, with what lies in it. */
function unmount(holding: Record<string, string> = {}): () => void {
  world.volume.renameSync(SOURCE, "/disk");
  world.volume.mkdirSync(SOURCE);
  for (const [path, content] of Object.entries(holding)) world.volume.writeFileSync(`${SOURCE}/${path}`, content);
  return () => {
    world.volume.rmSync(SOURCE, { recursive: true });
    world.volume.renameSync("/disk", SOURCE);
  };
}

describe("a folder that is suddenly empty", () => {
  test("changes nothing, says so, and goes on when its files are back", async () => {
    await start();
    const remount = unmount();
    expect(await check()).toMatchObject({ complete: false, removed: 0, doubt: { code: "SOURCE_DOUBTFUL" } });
    expect(states()).toEqual(["a UPLOADED", "d/b UPLOADED"]);
    expect(process.named("warning").at(-1)).toMatchObject({ code: "SOURCE_DOUBTFUL", uploadId: "u" });
    remount();
    expect(await check()).toMatchObject({ complete: true, doubt: null });
    expect(process.named("file:removed")).toEqual([]);
  });

  test("is believed when somebody vouches for it", async () => {
    await start();
    unmount();
    expect(await check({ trustFolder: true })).toMatchObject({ complete: true, removed: 2, doubt: null });
    expect(states()).toEqual(["a REMOVED", "d/b REMOVED"]);
  });

  test("a check that vouches does not settle for a scan under way that does not", async () => {
    await start();
    unmount();
    const [plain, trusting] = [process.service.check("u"), process.service.check("u", { trustFolder: true })];
    expect(await world.until(plain)).toMatchObject({ removed: 0 });
    expect(await world.until(trusting)).toMatchObject({ removed: 2 });
  });
});

describe("a root marker", () => {
  test("must be there when the upload is registered", async () => {
    await process.service.start();
    const spec = { sourceFolder: SOURCE, bucket: BUCKET, rootMarker: ".disk-1" };
    await expect(process.service.register(spec)).rejects.toMatchObject({ code: "SOURCE_DOUBTFUL" });
    expect(await process.service.list()).toEqual([]);
  });

  test("is no folder: an empty mount point may have one", async () => {
    await process.service.start();
    const spec = { sourceFolder: SOURCE, bucket: BUCKET, rootMarker: "d" };
    await expect(process.service.register(spec)).rejects.toMatchObject({ code: "SOURCE_DOUBTFUL" });
  });

  test("without it the folder is not scanned at all, not even for what lies in it", async () => {
    world.write(".disk-1", "");
    await start({ rootMarker: ".disk-1" });
    const remount = unmount({ stray: "not ours" });
    expect(await check()).toBeUndefined();
    expect(await upload()).toMatchObject({ state: "FAILED", reason: { code: "SOURCE_DOUBTFUL" } });
    expect(states()).toEqual(["a UPLOADED", "d/b UPLOADED"]);
    remount();
    await check();
    await world.until(process.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/a": "1", "u/d/b": "2" });
  });

  test("a queued file is not taken for removed while it is missing", async () => {
    world.write(".disk-1", "");
    await start({ rootMarker: ".disk-1" });
    world.write("c", "3");
    process.objects.inject({ method: "putObject", hang: "before" });
    await check();
    await world.until(() => world.files()[1]?.state === "IN_PROGRESS");
    process.kill();
    const remount = unmount();
    process = world.boot({ monitorInterval: MINUTE });
    await process.service.start();
    await world.clock.advance(3 * MINUTE);
    expect(states()).toEqual(["a UPLOADED", "c PENDING", "d/b UPLOADED"]);
    remount();
    await world.until(() => world.bucket()["u/c"] === "3");
  });
});

describe("compare: hash", () => {
  test.each([
    ["stat", 2],
    ["hash", 1],
  ] as const)("%s: a file that was only touched takes %i PUT in all", async (compare, puts) => {
    world.remove("d/b");
    await start({ compare });
    world.touch("a", -30_000);
    await check();
    await world.until(process.service.finished("u"));
    await world.until(() => world.files()[0]?.state === "UPLOADED");
    expect(process.calls("putObject")).toBe(puts);
    await check();
    expect(states()).toEqual(["a UPLOADED"]);
  });

  test("a file of the same size and other bytes is sent", async () => {
    await start({ compare: "hash" });
    world.write("a", "9");
    await check();
    await world.until(() => world.bucket()["u/a"] === "9");
  });
});

describe("schedules", () => {
  test("manual: scanned at the registration, and then only when asked", async () => {
    await start({ schedule: "manual" });
    world.write("c", "3");
    await world.clock.advance(60 * MINUTE);
    expect(world.bucket()["u/c"]).toBeUndefined();
    await check();
    await world.until(() => world.bucket()["u/c"] === "3");
  });

  test("a scan that the ledger has kept from its end is repeated an interval later, whatever the schedule", async () => {
    await start({ schedule: "manual" });
    world.write("c", "3");
    process.state.inject({ method: "listFiles", before: new StateStoreError("STATE_FULL", "made to fail") });
    await expect(world.until(process.service.check("u"))).rejects.toThrow("made to fail");
    await world.until(() => world.bucket()["u/c"] === "3", 2 * MINUTE);
    expect(await upload()).toMatchObject({ scanner: null });
  });

  test("an interval of its own", async () => {
    await start({ schedule: 10 * MINUTE });
    world.write("c", "3");
    await world.clock.advance(8 * MINUTE);
    expect(world.bucket()["u/c"]).toBeUndefined();
    await world.clock.advance(3 * MINUTE);
    expect(world.bucket()["u/c"]).toBe("3");
  });
});
