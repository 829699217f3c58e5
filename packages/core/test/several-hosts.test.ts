import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ServiceOptions } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

const ALWAYS = Number.POSITIVE_INFINITY;
/** A first scan opens the folder a third time: the registration has, and whoever asks for its disk. */
const SCAN = 3;
/** So long that polling explains nothing within a test. */
const HOUR = 3_600_000;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

function boot(host: string, options: Partial<ServiceOptions> = {}): Process {
  return world.boot({ host, owner: host, ...options });
}

async function start(process: Process, options: object = {}): Promise<void> {
  await process.service.start();
  await process.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, mode: "once", ...options } as never);
}

const uploadOf = () => world.ledger.uploads.get("u");

describe("scans of one upload never overlap", () => {
  test("one host scans, the other works on what it finds", async () => {
    for (let n = 0; n < 60; n++) world.write(`f${n}`, "x");
    const [first, second] = [boot("first", { concurrency: 2 }), boot("second", { concurrency: 2 })];
    for (const process of [first, second]) {
      process.objects.inject({ method: "putObject", times: ALWAYS, delayMs: 100 });
      await start(process);
    }
    await world.until(Promise.all([first, second].map(({ service }) => service.finished("u"))));
    expect([...first.named("upload:scanning"), ...second.named("upload:scanning")]).toHaveLength(1);
    expect(second.named("file:uploaded").length).toBeGreaterThan(0);
    expect(uploadOf()).toMatchObject({ state: "COMPLETED", scanner: null });
  });

  test("whoever dies scanning is followed by another, after its lease", async () => {
    world.write("a", "1");
    const dying = boot("dying");
    let reached = false;
    dying.fileSystem.inject({ method: "openRoot", nth: SCAN, run: () => new Promise(() => (reached = true)) });
    await start(dying);
    await world.until(() => reached);
    dying.kill();
    expect(uploadOf()?.scanner).toMatch(/^dying#/);
    const heir = boot("heir");
    await start(heir);
    await world.until(heir.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/a": "1" });
    expect(uploadOf()?.scanner).toBeNull();
  });

  test("a scan that outlives its lease leaves the ledger to its heir", async () => {
    world.write("a", "1");
    const frozen = boot("frozen");
    let thaw = () => {};
    frozen.fileSystem.inject({
      method: "openRoot",
      nth: SCAN,
      run: ({ proceed }) => new Promise((resolve) => (thaw = () => resolve(proceed()))),
    });
    const stopped = { run: () => new Promise<never>(() => {}), times: ALWAYS } as const;
    await start(frozen);
    frozen.state.inject({ method: "heartbeat", ...stopped });
    const heir = boot("heir");
    await start(heir);
    await world.until(heir.service.finished("u"));
    const { lastScan } = uploadOf() ?? {};
    thaw();
    await world.clock.advance(1_000);
    expect(uploadOf()).toMatchObject({ lastScan, scanner: null, state: "COMPLETED" });
    frozen.kill();
  });

  test("check() joins the scan of another host", async () => {
    world.write("a", "1");
    const [scanning, asking] = [boot("scanning"), boot("asking")];
    let go = () => {};
    scanning.fileSystem.inject({
      method: "openRoot",
      nth: SCAN,
      run: ({ proceed }) => new Promise((resolve) => (go = () => resolve(proceed()))),
    });
    await start(scanning);
    await start(asking);
    const check = asking.service.check("u");
    await world.clock.advance(2_000);
    go();
    expect(await world.until(check)).toEqual(uploadOf()?.lastScan);
    expect(asking.named("upload:scanning")).toEqual([]);
  });

  test("check() scans itself when the other died scanning", async () => {
    world.write("a", "1");
    const [dying, asking] = [boot("dying"), boot("asking")];
    dying.fileSystem.inject({ method: "openRoot", nth: SCAN, run: () => new Promise(() => {}) });
    await start(dying);
    await start(asking);
    const check = asking.service.check("u");
    await world.clock.advance(2_000);
    dying.kill();
    expect(await world.until(check)).toMatchObject({ seen: 1, complete: true });
  });

  test("check() gives up when its service stops", async () => {
    world.write("a", "1");
    const [scanning, asking] = [boot("scanning"), boot("asking")];
    scanning.fileSystem.inject({ method: "openRoot", nth: SCAN, run: () => new Promise(() => {}) });
    await start(scanning);
    await start(asking);
    const check = asking.service.check("u");
    await world.clock.advance(2_000);
    await world.until(asking.service.stop());
    expect(await check).toBeUndefined();
    scanning.kill();
  });

  test("a folder that cannot be read frees the scan", async () => {
    world.write("a", "1");
    const process = boot("h");
    await start(process, { mode: "watch" });
    await world.until(() => process.named("upload:scanned").length === 1);
    world.volume.renameSync(SOURCE, "/away");
    await world.until(process.service.check("u"));
    expect(uploadOf()).toMatchObject({ state: "FAILED", scanner: null });
    world.volume.renameSync("/away", SOURCE);
  });

  test("a watched folder is scanned once per interval, however many hosts watch it", async () => {
    world.write("a", "1");
    const hosts = ["a", "b", "c"].map((name) => boot(name, { monitorInterval: 60_000 }));
    for (const process of hosts) {
      await start(process, { mode: "watch" });
      await world.clock.advance(7_000);
    }
    await world.until(hosts[0]?.service.finished("u") as Promise<unknown>);
    const scans = () => hosts.flatMap((process) => process.named("upload:scanned")).length;
    const before = scans();
    await world.clock.advance(10 * 60_000);
    expect(scans() - before).toBeGreaterThanOrEqual(9);
    expect(scans() - before).toBeLessThanOrEqual(11);
  });
});

describe("an upload bound to a host", () => {
  test("is scanned and sent there, and nowhere else", async () => {
    world.write("a", "1");
    const [other, home] = [boot("other"), boot("home")];
    await start(other, { host: "home" });
    await world.clock.advance(60_000);
    expect(world.bucket()).toEqual({});
    expect(other.named("upload:scanning")).toEqual([]);
    await home.service.start();
    await world.until(other.service.finished("u"));
    expect(home.named("file:uploaded")).toHaveLength(1);
    expect(other.named("file:started")).toEqual([]);
    expect(other.named("upload:changed")).toContainEqual({ uploadId: "u", state: "COMPLETED", reason: null });
  });

  test("cannot be checked from elsewhere, and its folder need not be there", async () => {
    const other = boot("other");
    await other.service.start();
    await other.service.register({ id: "u", sourceFolder: "/only/there", bucket: BUCKET, host: "home" });
    await expect(other.service.check("u")).rejects.toMatchObject({ code: "UPLOAD_ELSEWHERE" });
    await world.until(other.service.cancel("u"));
  });

  test("its files go back to it when their owner dies, whoever rescues them", async () => {
    world.write("a", "1");
    const first = boot("home");
    first.objects.inject({ method: "putObject", run: () => new Promise(() => {}) });
    await start(first, { host: "home" });
    await world.until(() => world.files()[0]?.state === "IN_PROGRESS");
    first.kill();
    const other = boot("other");
    await other.service.start();
    await world.until(() => world.files()[0]?.state === "PENDING");
    await world.clock.advance(60_000);
    expect(world.bucket()).toEqual({});
    const second = boot("home");
    await second.service.start();
    await world.until(second.service.finished("u"));
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });
});

describe("hints of a shared store", () => {
  const hinted = (host: string) => world.boot({ host, owner: host, lease: HOUR }, { hints: true });

  test("a cancel stops the transfers of the other host at once", async () => {
    world.write("a", "1");
    const [sending, cancelling] = [hinted("sending"), hinted("cancelling")];
    let aborted = false;
    sending.objects.inject({
      method: "putObject",
      run: ({ args: [request] }) =>
        new Promise((_, reject) => {
          const { signal } = request as { signal: AbortSignal };
          signal.addEventListener("abort", () => {
            aborted = true;
            reject(signal.reason);
          });
        }),
    });
    await start(sending);
    await cancelling.service.start();
    await world.until(() => world.files()[0]?.state === "IN_PROGRESS");
    await world.until(cancelling.service.cancel("u"));
    await world.until(() => aborted, HOUR / 10);
    expect(sending.named("upload:changed")).toMatchObject([{ state: "CANCELLED" }]);
  });

  test("work that one host finds is taken up by the other, and its end is heard", async () => {
    const [first, second] = [hinted("first"), hinted("second")];
    await start(first, { mode: "watch" });
    await second.service.start();
    for (let n = 0; n < 40; n++) world.write(`f${n}`, "x");
    for (const process of [first, second]) process.objects.inject({ method: "putObject", times: ALWAYS, delayMs: 500 });
    await world.until(first.service.check("u"));
    await world.until(() => Object.keys(world.bucket()).length === 40, HOUR / 10);
    expect(second.named("file:uploaded").length).toBeGreaterThan(5);
    await world.until(Promise.all([first, second].map(({ service }) => service.finished("u"))), HOUR / 10);
  });

  test("progress of one host is told by the other", async () => {
    world.write("a", "1");
    const [home, other] = [hinted("home"), hinted("other")];
    await other.service.start();
    await start(home, { host: "home" });
    await world.until(() => other.named("upload:progress").at(-1)?.state === "COMPLETED", HOUR / 10);
    expect(other.named("upload:progress").at(-1)).toMatchObject({ filesUploaded: 1, fraction: 1 });
    expect(other.named("file:started")).toEqual([]);
  });
});
