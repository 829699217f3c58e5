import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

let folder: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bucketline-service-"));
});

afterEach(async () => {
  if (child?.exitCode === null) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await rm(folder, { recursive: true, force: true });
});

function run(env: Record<string, string> = {}) {
  const { PATH = "", HOME = "" } = process.env;
  const settings = { PATH, HOME, BUCKETLINE_DATA: folder, PORT: "0", STABILITY_THRESHOLD: "0", ...env };
  const started = spawn(process.execPath, [...FROM_SOURCES, MAIN], { env: settings });
  child = started;
  let errors = "";
  started.stderr.on("data", (data) => {
    errors += data;
  });
  const exit = once(started, "exit") as Promise<[number | null, string | null]>;
  const url = async () => {
    for await (const line of createInterface(started.stdout)) {
      const [, found] = /^Bucketline answers at (http:\S+)$/.exec(line) ?? [];
      if (found) return found;
    }
    throw new Error(`It ended without a URL: ${errors}`);
  };
  return { process: started, url, exit, errors: () => errors };
}

async function untilCompleted(url: string, headers: Record<string, string> = {}) {
  for (;;) {
    const upload = (await (await fetch(`${url}/api/v1/uploads/demo`, { headers })).json()) as Record<string, unknown>;
    if (upload.state === "COMPLETED" && upload.pending_files === 0) return upload;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("without settings it follows a demo folder, survives SIGKILL and ends well on SIGTERM", async () => {
  const first = run();
  const upload = await untilCompleted(await first.url());
  expect(upload).toMatchObject({ total_files: 25, completed_files: 25, failed_files: 0 });
  first.process.kill("SIGKILL");
  await first.exit;

  await writeFile(join(folder, "folders", "demo", "new.txt"), "new");
  const second = run();
  const url = await second.url();
  await fetch(`${url}/api/v1/uploads/demo/check`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ wait: true }),
  });
  expect(await untilCompleted(url)).toMatchObject({ total_files: 26, completed_files: 26 });
  second.process.kill("SIGTERM");
  expect(await second.exit).toEqual([0, null]);
});

test("a token is asked for when its hash is set, and is nowhere to be read", async () => {
  const token = "a-token-that-nobody-guesses";
  const sha256 = createHash("sha256").update(token).digest("hex");
  const service = run({ BUCKETLINE_TOKEN_SHA256: sha256, DATABASE_URL: `json:${folder}/state.json` });
  const url = await service.url();
  expect((await fetch(`${url}/api/v1/uploads`)).status).toBe(401);
  await untilCompleted(url, { authorization: `Bearer ${token}` });
  service.process.kill("SIGINT");
  expect(await service.exit).toEqual([0, null]);
  expect(service.errors()).toContain("upload:completed");
  expect(service.errors()).not.toContain(token);
  expect(await readFile(join(folder, "state.json"), "utf8")).not.toContain(token);
});

test.each([
  [{ HOST: "0.0.0.0" }, "auth", 2],
  [{ BUCKETLINE_PREFIX: "x" }, "prefix", 2],
  [{ PORT: "eighty" }, "PORT", 2],
  [{ CHUNK_SIZE: "5 parsecs" }, "CHUNK_SIZE", 2],
  [{ FILE_MONITOR_INTERVAL: "soon" }, "FILE_MONITOR_INTERVAL", 2],
  [{ DATABASE_URL: "mysql://x" }, "DATABASE_URL", 2],
  [{ LOG_LEVEL: "loud" }, "LOG_LEVEL", 2],
  [{ BUCKETLINE_TOKENS_FILE: "nowhere.json" }, "nowhere.json", 2],
] as const)("%o is refused by name", async (env, named, code) => {
  const service = run(env);
  expect(await service.exit).toEqual([code, null]);
  expect(service.errors()).toContain(named);
});
