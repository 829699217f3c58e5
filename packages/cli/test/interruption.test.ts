import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Bed, linesOf } from "./support/program.ts";
import { isQuiet, stored, until } from "./support/traffic.ts";

let bed: Bed;

beforeEach(async () => {
  bed = await Bed.open();
});

afterEach(async () => await bed.close());

const TO = ["sync", "photos", "s3://my-bucket"];
const PART = 5 * 1024 * 1024;

/** Parts of the large file come slowly, those of others at once. */
async function slowFolder(): Promise<Buffer> {
  const content = randomBytes(6 * PART);
  await bed.write("photos/large.bin", content);
  for (let n = 0; n < 5; n++) await bed.write(`photos/small-${n}.txt`, `small ${n}`);
  bed.sandbox.fault({ operation: "UploadPart", times: 1_000, action: { type: "delay", ms: 300 } });
  return content;
}

async function expectEverythingOnce(content: Buffer): Promise<void> {
  const sent = stored(bed.sandbox);
  expect(sent.filter((one, index) => sent.indexOf(one) !== index)).toEqual([]);
  expect(sent).toHaveLength(6 + 5);
  expect((await bed.sandbox.object("my-bucket", "large.bin"))?.body.equals(content)).toBe(true);
}

test("after SIGKILL the same command goes on, and nothing is sent twice", async () => {
  const content = await slowFolder();
  const killed = bed.start([...TO, "--part-concurrency", "1"]);
  await until(() => stored(bed.sandbox).filter((one) => one.startsWith("large.bin#")).length >= 2);
  killed.process.kill("SIGKILL");
  await killed.ended;
  await until(() => isQuiet(bed.sandbox));
  const before = stored(bed.sandbox);
  const { code, stdout } = await bed.run([...TO, "--part-concurrency", "1", "--json"]);
  expect(code).toBe(0);
  await expectEverythingOnce(content);
  // What the first run had sent is not counted again.
  const own = stored(bed.sandbox).slice(before.length);
  const bytes = own.reduce((sum, one) => sum + (one.startsWith("large.bin#") ? PART : "small 0".length), 0);
  expect(linesOf(stdout).at(-1)).toMatchObject({ event: "summary", uploaded_bytes: bytes });
});

test("the first Ctrl-C lets what is in flight finish, and the same command goes on", async () => {
  const content = await slowFolder();
  const stopped = bed.start([...TO, "--part-concurrency", "1"]);
  await until(() => stored(bed.sandbox).includes("large.bin#1"));
  stopped.process.kill("SIGINT");
  const { code, stdout, stderr } = await stopped.ended;
  expect(code).toBe(130);
  expect(stdout).toContain("Stopping: what is in flight may finish.");
  expect(stderr).toContain("Run it again to go on.");
  expect(bed.sandbox.requests.filter(({ outcome }) => outcome !== "answered")).toEqual([]);
  expect(stored(bed.sandbox)).not.toContain("large.bin#6");
  expect((await bed.run(TO)).code).toBe(0);
  await expectEverythingOnce(content);
});

test("the second Ctrl-C does not wait for a request that hangs", async () => {
  await bed.write("photos/one.txt", "one");
  bed.sandbox.fault({ operation: "PutObject", action: { type: "silence" } });
  const stopped = bed.start(TO);
  await until(() => bed.sandbox.requests.some(({ operation }) => operation === "PutObject"));
  let output = "";
  stopped.process.stdout.on("data", (text: string) => {
    output += text;
  });
  stopped.process.kill("SIGINT");
  await until(() => output.includes("Stopping:"));
  expect(stopped.process.exitCode).toBeNull();
  stopped.process.kill("SIGINT");
  expect((await stopped.ended).code).toBe(130);
  expect((await bed.run(TO)).code).toBe(0);
  expect(stored(bed.sandbox)).toEqual(["one.txt"]);
});

test("--json ends with a summary when it is interrupted, too", async () => {
  await slowFolder();
  const stopped = bed.start([...TO, "--part-concurrency", "1", "--json"]);
  await until(() => stored(bed.sandbox).length >= 6);
  stopped.process.kill("SIGTERM");
  const { code, stdout } = await stopped.ended;
  expect(code).toBe(143);
  expect(linesOf(stdout).at(-1)).toMatchObject({ event: "summary", interrupted: true, exit_code: 143 });
});

test("a reader who goes away ends it like Ctrl-C, without a word", async () => {
  const content = await slowFolder();
  const running = bed.start([...TO, "--part-concurrency", "1", "--json"]);
  await until(() => stored(bed.sandbox).includes("large.bin#1"));
  running.process.stdout.destroy();
  const { code, stderr } = await running.ended;
  expect({ code, stderr }).toEqual({ code: 141, stderr: "" });
  expect((await bed.run(TO)).code).toBe(0);
  await expectEverythingOnce(content);
});

test("--watch sends what comes later, until it is stopped, and leaves nothing for others to follow", async () => {
  await bed.write("photos/one.txt", "one");
  const watching = bed.start([...TO, "--id", "p", "--watch", "--stability-threshold", "0", "--monitor-interval", "1s"]);
  let output = "";
  watching.process.stdout.on("data", (text: string) => {
    output += text;
  });
  await until(() => output.includes("Following the folder."));
  await bed.write("photos/late.txt", "late");
  await until(() => output.includes("uploaded late.txt"));
  watching.process.kill("SIGINT");
  expect((await watching.ended).code).toBe(130);
  expect(stored(bed.sandbox)).toEqual(["one.txt", "late.txt"]);
  expect(await bed.json(["status", "p"])).toMatchObject([{ settings: { schedule: "manual" } }]);
  expect((await bed.run([...TO, "--id", "p"])).stdout).toContain("Nothing was new");
});

test("what cancel could not clean up is said, also among lines of JSON", async () => {
  await slowFolder();
  const stopped = bed.start([...TO, "--id", "photos", "--part-concurrency", "1"]);
  await until(() => stored(bed.sandbox).includes("large.bin#1"));
  stopped.process.kill("SIGINT");
  expect((await stopped.ended).code).toBe(130);
  bed.sandbox.fault({
    operation: "AbortMultipartUpload",
    times: 1_000,
    action: { type: "respond", status: 403, code: "AccessDenied" },
  });
  const { code, stdout, stderr } = await bed.run(["cancel", "photos", "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(linesOf(stdout)).toMatchObject([
    { event: "warning", code: "ACCESS_DENIED", upload_id: "photos" },
    { upload_id: "photos", state: "CANCELLED" },
  ]);
});
