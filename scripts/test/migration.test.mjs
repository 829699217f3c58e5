import { execFile, execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startSandbox } from "@bucketline/s3-sandbox";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(root, "docs/migration.md"), "utf8");
const nodeArguments = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
const program = join(root, "packages/cli/src/main.ts");

const commands = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block);

let folder;
let sandbox;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "migration-"));
  sandbox = await startSandbox({ region: "eu-west-1", buckets: ["my-bucket"] });
  mkdirSync(join(folder, "photos", "trip"), { recursive: true });
  for (const name of ["one.jpg", "trip/two.jpg", "three.tmp"]) writeFileSync(join(folder, "photos", name), name);
  mkdirSync(join(folder, "bin"));
  const shim = `#!/bin/sh\nexec "${process.execPath}" ${nodeArguments.join(" ")} "${program}" "$@"\n`;
  writeFileSync(join(folder, "bin", "bucketline"), shim);
  chmodSync(join(folder, "bin", "bucketline"), 0o755);
});

afterAll(async () => {
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

function environment(ledger) {
  const own = Object.entries(process.env).filter(([name]) => !/^(AWS_|BUCKETLINE_|DATABASE_URL$)/.test(name));
  return {
    ...Object.fromEntries(own),
    PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`,
    XDG_STATE_HOME: join(folder, ledger),
    AWS_ENDPOINT_URL: sandbox.endpoint,
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: sandbox.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: sandbox.credentials.secretAccessKey,
  };
}

const sent = () => sandbox.requests.filter(({ operation }) => operation === "PutObject").length;
const keys = () => sandbox.objects("my-bucket").map(({ key }) => key);

/** Each with a ledger of its own, as for somebody who begins with it. */
async function run(n) {
  return await promisify(execFile)("sh", ["-e", "-c", commands[n]], { cwd: folder, env: environment(`ledger-${n}`) });
}

test("the commands of docs/migration.md do what the ones that they stand for do", async () => {
  expect(commands).toHaveLength(4);
  await run(0);
  expect(keys()).toEqual([]);
  for (const n of [1, 2, 3]) {
    await run(n);
    expect(keys()).toEqual(["2026/one.jpg", "2026/trip/two.jpg"]);
    // A new ledger knows nothing, so both are sent every time.
    expect(sent()).toBe(2 * n);
  }
});

test("every option of ours that the tables name is one of sync, and its values are known", () => {
  const help = execFileSync(process.execPath, [...nodeArguments, program, "help", "sync"], {
    encoding: "utf8",
    env: { ...process.env, COLUMNS: "200" },
  });
  const known = new Set([...help.matchAll(/(?<![\w-])-{1,2}[a-z][a-z-]*/g)].map(([flag]) => flag));
  const rows = [...page.matchAll(/^\| (?:[^|]+) \| ([^|]+) \| ([^|]*)\|$/gm)];
  const flags = rows.flatMap(([, ours]) => [...ours.matchAll(/`(-{1,2}[a-z][a-z-]*)/g)].map(([, flag]) => flag));
  expect(flags.length).toBeGreaterThan(50);
  expect(flags.filter((flag) => !known.has(flag))).toEqual([]);
  for (const [, option, value] of page.matchAll(/`(--[a-z-]+) (follow|never|delete|hash)`/g)) {
    expect(help, `${option} ${value}`).toMatch(new RegExp(`${option} <[\\s\\S]{0,300}"?${value}"?`));
  }
});
