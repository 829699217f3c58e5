import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineStep, NEVER, ObjectStoreError, type RegisterOptions } from "../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";
import { listing, refuse } from "./support/drop-bed.ts";

const EMPTY = { incoming: {}, working: {}, done: {}, failed: {} };
const DAY = 86_400_000;
const rejected = () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "made to");

let world: World;
let process: Process;

beforeEach(() => {
  world = new World();
  process = world.boot({ monitorInterval: 60_000, stabilityThreshold: 5_000, host: "here" });
});

afterEach(async () => {
  await world.end();
});

async function register(options: Partial<RegisterOptions> = {}) {
  await process.service.start();
  const wanted = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, drop: {}, ...options };
  return await world.until(process.service.register(wanted));
}

const put = (path: string, content: string) => world.write(`incoming/${path}`, content);
const check = () => world.until(process.service.check("u"));
const lies = (folder: keyof typeof EMPTY, paths: readonly string[]) => () =>
  JSON.stringify(Object.keys(listing(world)[folder]).sort()) === JSON.stringify([...paths].sort());
const warnings = () => process.named("warning").map(({ code, message }) => `${String(code)}: ${String(message)}`);

describe("a drop folder", () => {
  test("is made at registration, and bound to this host", async () => {
    const { spec } = await register();
    expect(listing(world)).toEqual(EMPTY);
    expect(Object.keys(world.volume.toJSON(SOURCE)).map((path) => path.split("/")[2])).toEqual(
      expect.arrayContaining(["incoming", "working", "done", "failed"]),
    );
    expect(spec).toMatchObject({ drop: { retention: null }, host: "here", afterUpload: "keep" });
  });

  test("is listened to where producers write, and planned only once it is there", async () => {
    const roots: string[] = [];
    const watch = (root: string) => {
      roots.push(root);
      return { state: "live", close: () => Promise.resolve() } as const;
    };
    process = world.boot({ watcher: { watch }, host: "here" });
    const options = { id: "u", sourceFolder: SOURCE, bucket: BUCKET, drop: {} };
    await expect(process.service.plan(options)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(world.volume.readdirSync(SOURCE)).toEqual([".keep"]);
    await register();
    expect(roots).toEqual([`${SOURCE}/incoming`]);
  });

  test("takes files in, sends them, and puts them into done/ with their paths", async () => {
    put("a.txt", "1");
    put("x/y/b", "0123456789ABCDEF");
    await register();
    await world.until(lies("done", ["a.txt", "x/y/b"]));
    expect(listing(world)).toEqual({ ...EMPTY, done: { "a.txt": "1", "x/y/b": "0123456789ABCDEF" } });
    expect(world.bucket()).toEqual({ "u/a.txt": "1", "u/x/y/b": "0123456789ABCDEF" });
    expect(world.volume.readdirSync(`${SOURCE}/working`)).toEqual([]);
    const at = (name: string, path: string) => `${SOURCE}/${name}/${path}`;
    expect(process.named("file:claimed")).toEqual([
      { uploadId: "u", path: "a.txt", from: at("incoming", "a.txt"), to: at("working", "a.txt") },
      { uploadId: "u", path: "x/y/b", from: at("incoming", "x/y/b"), to: at("working", "x/y/b") },
    ]);
    expect(process.named("file:disposed")).toEqual(
      expect.arrayContaining([
        { uploadId: "u", path: "a.txt", from: at("working", "a.txt"), to: at("done", "a.txt") },
        { uploadId: "u", path: "x/y/b", from: at("working", "x/y/b"), to: at("done", "x/y/b") },
      ]),
    );
  });

  test("files that are gone from working/ stay UPLOADED, and nothing is doubted", async () => {
    put("a", "1");
    await register();
    await world.until(lies("done", ["a"]));
    for (let round = 0; round < 3; round++)
      expect(await check()).toMatchObject({ removed: 0, changed: 0, doubt: null, complete: true });
    await process.expectFile("a", { state: "UPLOADED" });
    expect([process.named("file:removed"), warnings()]).toEqual([[], []]);
    expect(await process.service.get("u")).toMatchObject({ state: "COMPLETED" });
  });

  test("leaves a file in incoming/ for as long as it is written to", async () => {
    await register();
    put("a", "1");
    world.touch("incoming/a", 0);
    await check();
    expect(listing(world)).toEqual({ ...EMPTY, incoming: { a: "1" } });
    put("a", "12");
    world.touch("incoming/a", 3_000);
    await check();
    expect(listing(world).incoming).toEqual({ a: "12" });
    // Nobody asks: what was not quiet is looked at again by itself, long before the next interval.
    const before = world.clock.now();
    await world.until(lies("done", ["a"]));
    expect(world.clock.now() - before).toBeLessThan(20_000);
    expect(world.bucket()).toEqual({ "u/a": "12" });
  });

  test("takes a file from the future once nothing has changed for long enough", async () => {
    put("a", "1");
    world.touch("incoming/a", DAY);
    await register();
    await check();
    expect(listing(world).incoming).toEqual({ a: "1" });
    await world.until(lies("done", ["a"]));
    expect(world.bucket()).toEqual({ "u/a": "1" });
  });

  test("only takes what matches, and says once what it cannot take", async () => {
    put("a.jpg", "1");
    put("b.txt", "2");
    world.volume.symlinkSync("/etc/passwd", `${SOURCE}/incoming/l.jpg`);
    await register({ pattern: "*.jpg", minSize: 1 });
    put("empty.jpg", "");
    await world.until(lies("done", ["a.jpg"]));
    await check();
    await check();
    expect(world.volume.readdirSync(`${SOURCE}/incoming`)).toEqual(["b.txt", "empty.jpg", "l.jpg"]);
    expect(warnings()).toEqual([expect.stringMatching(/^SOURCE_NOT_DISPOSED: l\.jpg stays where it is: .*link/)]);
    expect(world.files().map(({ path }) => path)).toEqual(["a.jpg"]);
  });

  test("sends the same name again, and keeps both in done/", async () => {
    await register({ keyTemplate: "{path}" });
    put("x/a.txt", "old");
    await world.until(lies("done", ["x/a.txt"]));
    put("x/a.txt", "new");
    await world.until(() => Object.keys(listing(world).done).length === 2);
    const [second = "", first = ""] = Object.keys(listing(world).done).sort().reverse();
    expect([first, second]).toEqual(["x/a.txt", expect.stringMatching(/^x\/a~\d{8}T\d{9}Z\.txt$/)]);
    expect(listing(world).done).toEqual({ [first]: "old", [second]: "new" });
    expect(world.bucket()).toEqual({ "x/a.txt": "new" });
  });

  test("lets a name wait that is still in use in working/, and takes it as soon as it is free", async () => {
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    process.objects.inject({ method: "putObject", run: ({ proceed }) => held.then(proceed) });
    put("a", "old");
    await register();
    await world.until(lies("working", ["a"]));
    put("a", "new");
    await world.clock.advance(10_000);
    await check();
    expect(listing(world)).toEqual({ ...EMPTY, incoming: { a: "new" }, working: { a: "old" } });
    const before = world.clock.now();
    goOn();
    await world.until(() => Object.keys(listing(world).done).length === 2);
    expect(world.clock.now() - before).toBeLessThan(20_000);
    expect(world.bucket()).toEqual({ "u/a": "new" });
  });
});

describe("a producer that still writes after the file was taken in", () => {
  const write = (content: string) => {
    world.volume.writeFileSync(`${SOURCE}/working/a`, content);
    world.touch("working/a", 0);
  };

  test("during the transfer: it is sent again once it is quiet", async () => {
    process.objects.inject({
      method: "putObject",
      run: async ({ proceed }) => {
        write("longer");
        return await proceed();
      },
    });
    put("a", "1");
    await register();
    await world.until(lies("done", ["a"]));
    expect([listing(world).done, world.bucket()]).toEqual([{ a: "longer" }, { "u/a": "longer" }]);
  });

  test.each(["watch", "once"] as const)(
    "before the move to done/ (%s): what was not sent is not moved",
    async (mode) => {
      process.fileSystem.inject({
        method: "moveFile",
        // The first one takes it in.
        nth: 2,
        run: async ({ proceed }) => {
          write("longer");
          return await proceed();
        },
      });
      put("a", "1");
      await register({ mode });
      await world.until(() => Object.keys(world.bucket()).length === 1 && lies("working", [])());
      expect([listing(world), world.bucket()]).toEqual([{ ...EMPTY, done: { a: "longer" } }, { "u/a": "longer" }]);
      await world.until(process.service.finished("u"));
    },
  );
});

describe("what cannot be sent", () => {
  test("is put into failed/ with its reason kept, and sent when somebody asks for it", async () => {
    refuse(process, "u/x/bad", rejected);
    put("x/bad", "1");
    put("good", "2");
    await register();
    await world.until(lies("failed", ["x/bad"]));
    await world.until(lies("done", ["good"]));
    await check();
    await world.clock.advance(2 * 3_600_000);
    expect(listing(world)).toEqual({ ...EMPTY, done: { good: "2" }, failed: { "x/bad": "1" } });
    const reason = { code: "OBJECT_REJECTED" };
    await process.expectFile("x/bad", {
      state: "FAILED",
      nextAttemptAt: NEVER,
      reason: expect.objectContaining(reason),
    });
    expect(await process.service.get("u")).toMatchObject({ state: "FAILED" });
    const better = await restart();
    expect(await world.until(better.service.retry("u"))).toBe(1);
    await world.until(lies("done", ["good", "x/bad"]));
    expect(listing(world)).toEqual({ ...EMPTY, done: { good: "2", "x/bad": "1" } });
    await world.until(better.service.finished("u"));
  });

  test("a check has refused: failed/ with the check's reason, nothing in the bucket, and checked again when asked", async () => {
    let accepted = false;
    const scan = defineStep({
      name: "scan",
      check: ({ path }) => Promise.resolve({ accepted: accepted || path !== "bad", message: "it is infected" }),
    });
    process = world.boot({ stabilityThreshold: 5_000, host: "here", pipelines: { scanned: [scan] } });
    put("bad", "1");
    put("good", "2");
    await register({ pipeline: "scanned" });
    await world.until(lies("failed", ["bad"]));
    await world.until(lies("done", ["good"]));
    await process.expectFile("bad", { state: "FAILED", reason: expect.objectContaining({ code: "FILE_REJECTED" }) });
    expect(world.bucket()).toEqual({ "u/good": "2" });
    accepted = true;
    expect(await world.until(process.service.retry("u"))).toBe(1);
    await world.until(lies("done", ["bad", "good"]));
    expect(world.bucket()).toEqual({ "u/bad": "1", "u/good": "2" });
  });

  test("of two of one name in failed/, the one that the record is of is tried again", async () => {
    refuse(process, "u/bad", rejected);
    put("bad", "first");
    await register();
    await world.until(lies("failed", ["bad"]));
    put("bad", "second");
    await world.until(() => Object.keys(listing(world).failed).length === 2);
    const better = await restart();
    expect(await world.until(better.service.retry("u"))).toBe(1);
    await world.until(lies("done", ["bad"]));
    expect([listing(world).done, listing(world).failed]).toEqual([{ bad: "second" }, { bad: "first" }]);
  });

  test("stays FAILED when it is nowhere to be found, and that is said", async () => {
    refuse(process, "u/bad", rejected);
    put("bad", "1");
    await register();
    await world.until(lies("failed", ["bad"]));
    world.remove("failed/bad");
    expect(await world.until(process.service.retry("u"))).toBe(0);
    expect(warnings()).toEqual([
      expect.stringMatching(/^SOURCE_NOT_FOUND: bad is neither in failed\/ nor in working\//),
    ]);
    await process.expectFile("bad", { state: "FAILED" });
  });

  test("may be tried again later: stays in working/", async () => {
    const transient = () =>
      new ObjectStoreError({ kind: "integrity", operation: "putObject", bucket: BUCKET }, "made to");
    refuse(process, "u/a", transient);
    put("a", "1");
    await register();
    await world.until(() => world.files()[0]?.state === "FAILED", 3_600_000);
    await check();
    expect(listing(world)).toEqual({ ...EMPTY, working: { a: "1" } });
    await process.expectFile("a", { state: "FAILED" });
  });

  test("is not wanted because its object exists: failed/, too", async () => {
    const exists = () =>
      new ObjectStoreError({ kind: "precondition", operation: "putObject", bucket: BUCKET }, "made to");
    refuse(process, "u/a", exists);
    put("a", "ours");
    await register({ overwrite: "never" });
    await world.until(lies("failed", ["a"]));
    await check();
    await process.expectFile("a", { state: "SKIPPED", reason: expect.objectContaining({ code: "OBJECT_EXISTS" }) });
    expect(listing(world)).toEqual({ ...EMPTY, failed: { a: "ours" } });
  });

  test("would get the key of another file: failed/, with the collision told", async () => {
    put("x/a", "1");
    await register({ keyTemplate: "{name}" });
    await world.until(lies("done", ["x/a"]));
    put("y/a", "2");
    await world.until(lies("failed", ["y/a"]));
    await process.expectFile("y/a", { state: "SKIPPED", reason: expect.objectContaining({ code: "KEY_COLLISION" }) });
    expect(world.bucket()).toEqual({ a: "1" });
  });
});

describe("retention", () => {
  test("deletes what has been in done/ for long enough, and nothing else", async () => {
    refuse(process, "u/bad", rejected);
    for (const path of ["x/a", "bad"]) put(path, "1");
    await register({ drop: { retention: 2 * DAY } });
    await world.until(lies("done", ["x/a"]));
    await world.until(lies("failed", ["bad"]));
    await world.clock.advance(2 * DAY - 3_600_000);
    await check();
    expect(Object.keys(listing(world).done)).toEqual(["x/a"]);
    await world.clock.advance(2 * 3_600_000);
    await check();
    expect(listing(world)).toEqual({ ...EMPTY, failed: { bad: "1" } });
    expect(world.volume.readdirSync(`${SOURCE}/done`)).toEqual([]);
    expect(world.bucket()).toEqual({ "u/x/a": "1" });
    const from = `${SOURCE}/done/x/a`;
    expect(process.named("file:disposed")).toContainEqual({ uploadId: "u", path: "x/a", from, to: null });
    await process.expectFile("x/a", { state: "UPLOADED" });
  });

  test("takes files of one name for what they are, and leaves what the ledger does not know or doubts", async () => {
    put("a.txt", "1");
    await register({ drop: { retention: 2 * DAY } });
    await world.until(lies("done", ["a.txt"]));
    put("a.txt", "22");
    await world.until(() => Object.keys(listing(world).done).length === 2);
    put("doubted", "1");
    await world.until(() => "doubted" in listing(world).done);
    world.volume.writeFileSync(`${SOURCE}/done/foreign`, "mine");
    world.buckets.get(BUCKET)?.objects.delete("u/doubted");
    await world.until(process.service.verify("u", { repair: true }));
    await world.clock.advance(3 * DAY);
    await check();
    expect(Object.keys(listing(world).done).sort()).toEqual(["doubted", "foreign"]);
  });
});

/** Another process in place of this one, without its faults. */
async function restart(): Promise<Process> {
  await world.until(process.service.stop());
  process = world.boot({ monitorInterval: 60_000, stabilityThreshold: 5_000, host: "here" });
  await world.until(process.service.start());
  return process;
}
