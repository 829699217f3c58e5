import { type ChildProcess, spawn } from "node:child_process";
import { chown, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

let home: string;
let folder: string;
const running = new Set<ChildProcess>();

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "bucketline-quickstart-"));
  folder = join(home, "photos");
  await mkdir(join(folder, ".hidden/deep"), { recursive: true });
  await writeFile(join(folder, "one.txt"), "one");
  await writeFile(join(folder, ".hidden/deep/two.txt"), "two");
});

afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  await rm(home, { recursive: true, force: true });
});

interface Ending {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** Runs the example as `npm start` does. */
function start(args: readonly string[], environment: Record<string, string> = {}, user: User = {}) {
  const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
  const env = { ...process.env, INIT_CWD: home, ...environment };
  const child = spawn(process.execPath, [...flags, MAIN, ...args], { env, stdio: ["ignore", "pipe", "pipe"], ...user });
  running.add(child);
  let output = "";
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = new Promise<Ending>((resolve) => {
    child.once("close", (code) => {
      running.delete(child);
      resolve({ code, output, errors });
    });
  });
  const printed = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => output.includes(text) && resolve();
      child.stdout.on("data", look);
      child.once("close", () =>
        reject(new Error(`Ended without printing ${JSON.stringify(text)}: ${output}${errors}`)),
      );
      look();
    });
  return { child, ended, printed };
}

async function run(args: readonly string[], environment?: Record<string, string>, user?: User): Promise<Ending> {
  return await start(args, environment, user).ended;
}

const variables = (sandbox: Pick<Sandbox, "endpoint" | "credentials">) => ({
  AWS_ENDPOINT_URL: sandbox.endpoint,
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: sandbox.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: sandbox.credentials.secretAccessKey,
});

describe("into the sandbox", () => {
  test("uploads everything, verifies it, and the second time uploads nothing", async () => {
    const first = await run(["photos", "--state", "state"]);
    expect(first).toMatchObject({ code: 0, errors: "" });
    expect(first.output).toContain("2 files uploaded in this run");
    expect(first.output).toContain("The sandbox saw 2 requests that sent file bytes, 6 B.");
    expect(first.output).toContain("/.hidden/deep/two.txt");
    expect(first.output).toContain("Verified: 2 objects, 6 B, every one the same byte for byte (SHA-256).");
    const second = await run(["photos", "--state", "state"]);
    expect(second).toMatchObject({ code: 0, errors: "" });
    expect(second.output).toContain("Nothing to upload: 2 files known and in the bucket, 0 uploaded.");
    expect(second.output).toContain("The sandbox saw 0 requests that sent file bytes, 0 B.");
    expect(second.output).toContain("Verified: 2 objects");
  });

  test("notices new and changed files, and nothing else", async () => {
    await run(["photos", "--state", "state"]);
    await writeFile(join(folder, "one.txt"), "one, longer");
    await writeFile(join(folder, "three.txt"), "three");
    const { output } = await run(["photos", "--state", "state"]);
    expect(output).toContain("2 files uploaded in this run, 16 B");
    expect(output).toContain("Verified: 3 objects, 19 B");
  });

  test("leaves out its own state when that lies in the folder", async () => {
    const { output } = await run(["photos", "--state", "photos/odd [name]"]);
    expect(output).toContain("In the bucket: 2 objects, 6 B");
    expect((await run(["photos", "--state", "photos/odd [name]"])).output).toContain("Nothing to upload: 2 files");
  });

  test("follows the folder with --watch, and ends when asked to", async () => {
    const { child, ended, printed } = start(["photos", "--state", "state", "--watch"]);
    await printed("Following the folder.");
    await writeFile(join(folder, "late.txt"), "late");
    await printed("uploaded late.txt");
    child.kill("SIGINT");
    const { code, output } = await ended;
    // Windows knows no signals: there the process just ends.
    if (process.platform === "win32") return;
    expect(code).toBe(130);
    expect(output).toContain("Stopped. The same command again goes on from here.");
  });
});

describe("into a bucket of one's own", () => {
  test("takes credentials and endpoint from the environment, puts the prefix before the path, reads back when asked", async () => {
    await using sandbox = await startSandbox({ buckets: ["mine"] });
    const args = ["photos", "s3://mine/some//where/", "--state", "state"];
    const { code, output, errors } = await run(args, variables(sandbox));
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).not.toContain("Verified");
    expect(sandbox.objects("mine").map(({ key }) => key)).toEqual([
      "some/where/.hidden/deep/two.txt",
      "some/where/one.txt",
    ]);
    expect(sandbox.requests.filter(({ operation }) => operation === "GetObject")).toEqual([]);
    expect((await run([...args, "--verify"], variables(sandbox))).output).toContain("Verified: 2 objects, 6 B");
  });

  test("goes on after a SIGKILL where it was", async () => {
    for (let index = 0; index < 100; index++) await writeFile(join(folder, `${index}.txt`), `number ${index}`);
    await using sandbox = await startSandbox({ buckets: ["mine"] });
    const args = ["photos", "s3://mine", "--state", "state", "--verify"];
    const killed = start(args, variables(sandbox));
    sandbox.fault({
      operation: "PutObject",
      nth: 40,
      action: () => {
        killed.child.kill("SIGKILL");
        return undefined;
      },
    });
    expect((await killed.ended).code).toBe(null);
    const { code, output } = await run(args, variables(sandbox));
    expect(code).toBe(0);
    expect(output).toMatch(
      /Found the upload of .*: \d+ of 102 files uploaded, \d+ files taken up when it was killed\. Going on/,
    );
    expect(output).toContain("Verified: 102 objects");
    const stored = sandbox.requests.filter(({ operation, committed }) => operation === "PutObject" && committed);
    expect(stored).toHaveLength(102);
  });

  test("says so when an object is not what was uploaded", async () => {
    await using sandbox = await startSandbox({ buckets: ["mine"] });
    sandbox.fault({ operation: "PutObject", key: "one.txt", action: { type: "corruptByte", stored: true } });
    const { code, output, errors } = await run(
      ["photos", "s3://mine", "--state", "state", "--verify"],
      variables(sandbox),
    );
    expect(code).toBe(1);
    expect(output).toContain("1 object missing or other than the file (1 object the same):\n  one.txt");
    expect(errors).toContain("The bucket is not what the ledger says.");
  });

  test("with --watch lists what failed and goes on following", async () => {
    await using sandbox = await startSandbox({ buckets: ["mine"] });
    const refusal = { type: "respond", code: "InvalidArgument", message: "not this one" } as const;
    sandbox.fault({ operation: "PutObject", key: "one.txt", action: refusal, times: Number.POSITIVE_INFINITY });
    const args = ["photos", "s3://mine", "--state", "state"];
    const { child, ended, printed } = start([...args, "--watch"], variables(sandbox));
    await printed("1 file failed:\n  one.txt: ");
    await printed("Following the folder.");
    await writeFile(join(folder, "late.txt"), "late");
    await printed("uploaded late.txt");
    child.kill("SIGINT");
    await ended;
    expect((await run(args, variables(sandbox))).code).toBe(1);
  });

  test("names a missing bucket and refused credentials in two lines", async () => {
    await using sandbox = await startSandbox();
    const missing = await run(["photos", "s3://nowhere", "--state", "state"], variables(sandbox));
    expect(missing.code).toBe(1);
    expect(missing.errors).toMatch(/^BUCKET_NOT_FOUND: .*\n.*Create it.*\n$/);
    const refused = { ...variables(sandbox), AWS_SECRET_ACCESS_KEY: "wrong" };
    const { code, errors } = await run(["photos", "s3://nowhere", "--state", "state"], refused);
    expect(code).toBe(1);
    expect(errors).toMatch(/^CREDENTIALS_UNAVAILABLE: .*\n.*\n$/);
  });
});

describe("what cannot be uploaded", () => {
  test("a key that is too long: named, and the exit code is 1", async () => {
    const prefix = "p".repeat(1_000);
    await using sandbox = await startSandbox({ buckets: ["mine"] });
    await writeFile(join(folder, `long-${"x".repeat(40)}`), "long");
    const { code, output, errors } = await run(
      ["photos", `s3://mine/${prefix}`, "--state", "state"],
      variables(sandbox),
    );
    expect(output).toContain("1 file is NOT in the bucket:\n  long-xxx");
    expect(output).toContain("2 files uploaded in this run");
    expect(output).not.toContain("skipped (links");
    expect(errors).toContain("does not hold everything");
    expect(code).toBe(1);
  });

  if (process.platform !== "win32") {
    test("a folder that may not be read: named, and the exit code is 1; links are no reason for it", async () => {
      // Permissions do not bind root.
      const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
      if (user.uid !== undefined) await chown(home, user.uid, user.gid);
      await symlink("one.txt", join(folder, "link"));
      expect(await run(["photos", "--state", "state"], {}, user)).toMatchObject({ code: 0 });
      await mkdir(join(folder, "locked"), { mode: 0 });
      const { code, output } = await run(["photos", "--state", "state"], {}, user);
      expect(output).toMatch(/A part of the folder could not be read.*NOT in the bucket:\n {2}.*locked/);
      expect(code).toBe(1);
    });
  }
});

describe("wrong input", () => {
  test.each([
    [["nowhere"], 1, /^SOURCE_NOT_FOUND: .*nowhere.*\n.*\n$/],
    [["photos/one.txt"], 1, /^SOURCE_NOT_A_FOLDER: .*\n.*\n$/],
    [["--unknown"], 2, /--unknown.*\n.*--help.*\n$/],
    [["photos", "http://bucket"], 2, /s3:\/\/BUCKET\/PREFIX/],
    [["photos", "s3://bucket/{id}"], 2, /braces/],
    [["s3://bucket"], 2, /Name the folder first/],
    [["a", "s3://b", "c"], 2, /Too many arguments: c/],
  ])("%j ends with %i", async (args, expected, message) => {
    const { code, errors } = await run([...args, "--state", "state"]);
    expect(code).toBe(expected);
    expect(errors).toMatch(message);
    expect(errors).not.toContain("    at ");
  });

  test("a damaged ledger is refused and left as it is", async () => {
    await run(["photos", "--state", "state"]);
    const { readdir, readFile } = await import("node:fs/promises");
    const ledger = join(home, "state", (await readdir(join(home, "state"))).find((name) => name.endsWith(".db")) ?? "");
    await writeFile(ledger, "no database at all");
    const { code, errors } = await run(["photos", "--state", "state"]);
    expect(code).toBe(1);
    expect(errors).toMatch(/^STATE_CORRUPT: .*\n.*\n$/);
    expect(await readFile(ledger, "utf8")).toBe("no database at all");
  });
});
