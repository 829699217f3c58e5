import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { SCHEDULE } from "../../src/webhooks/schedule.ts";
import { endpointsOf } from "../../src/webhooks/settings.ts";
import { Signer } from "../../src/webhooks/signer.ts";
import { OLD_SECRET, SECRET } from "../support/receiver.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const BODY = '{"type":"upload.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{"upload_id":"ü"}}';

let page = "";

beforeAll(async () => {
  page = await readFile(join(ROOT, "docs/webhooks.md"), "utf8");
});

/** The TypeScript of the page that holds this text, as a file of a folder with modules. */
async function program(holding: string): Promise<string> {
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
  const [code, ...others] = blocks.filter((block) => block.includes(holding));
  if (code === undefined || others.length > 0) throw new Error(`One block should hold ${holding}.`);
  const folder = await mkdtemp(join(tmpdir(), "bucketline-docs-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "node_modules"));
  await symlink(join(ROOT, "node_modules/standardwebhooks"), join(folder, "node_modules/standardwebhooks"));
  await writeFile(join(folder, "package.json"), '{"type":"module"}');
  await writeFile(join(folder, "program.ts"), code);
  return folder;
}

function run(file: string, env: NodeJS.ProcessEnv = {}) {
  const args = ["--disable-warning=ExperimentalWarning", "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", file];
  const child = spawn(process.execPath, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, line: async () => String((await lines.next()).value) };
}

test("the receiver of the page takes what is signed, once, and nothing else", async () => {
  const folder = await program("webhook.verify(");
  const { line } = run(join(folder, "program.ts"), { PORT: "0", WEBHOOK_SECRET: SECRET });
  let printed = await line();
  while (!printed.includes("}")) printed += await line();
  const port = /port: (\d+)/.exec(printed)?.[1];
  const now = Date.now();
  const post = async (headers: Record<string, string>, body = BODY) =>
    (await fetch(`http://127.0.0.1:${port}/`, { method: "POST", headers, body })).status;
  const signed = new Signer([OLD_SECRET, SECRET]).headers("ntc_1", now, BODY);
  expect(await post(signed)).toBe(204);
  expect(await line()).toBe("upload.completed");
  expect(await post(signed)).toBe(204);
  expect(await post(signed, `${BODY} `)).toBe(401);
  expect(await post(new Signer([OLD_SECRET]).headers("ntc_2", now, BODY))).toBe(401);
  expect(await post(new Signer([SECRET]).headers("ntc_3", now - 3_600_000, BODY))).toBe(401);
  expect(await post({})).toBe(401);
  const other = BODY.replace("completed", "failed");
  expect(await post(new Signer([SECRET]).headers("ntc_4", now, other), other)).toBe(204);
  // The repetition in between has printed nothing.
  expect(await line()).toBe("upload.failed");
});

test("the verification without a library tells the same apart", async () => {
  const folder = await program("timingSafeEqual(");
  const main = `
import { text } from "node:stream/consumers";
import { isGenuine } from "./program.ts";
const { secret, cases } = JSON.parse(await text(process.stdin));
console.log(JSON.stringify(cases.map(({ headers, body }) => isGenuine(secret, headers, Buffer.from(body)))));
`;
  await writeFile(join(folder, "main.ts"), main);
  const now = Date.now();
  const sign = (secrets: string[], at = now) => new Signer(secrets).headers("ntc_1", at, BODY);
  const cases = [
    { genuine: true, headers: sign([SECRET]), body: BODY },
    { genuine: true, headers: sign([OLD_SECRET, SECRET]), body: BODY },
    { genuine: false, headers: sign([OLD_SECRET]), body: BODY },
    { genuine: false, headers: sign([SECRET]), body: `${BODY} ` },
    { genuine: false, headers: { ...sign([SECRET]), "webhook-id": "ntc_2" }, body: BODY },
    {
      genuine: false,
      headers: { ...sign([SECRET]), "webhook-timestamp": String(Math.floor(now / 1000) - 1) },
      body: BODY,
    },
    { genuine: false, headers: sign([SECRET], now - 3_600_000), body: BODY },
    { genuine: false, headers: { ...sign([SECRET]), "webhook-timestamp": "soon" }, body: BODY },
    { genuine: false, headers: { ...sign([SECRET]), "webhook-signature": "v1," }, body: BODY },
    { genuine: false, headers: {}, body: BODY },
  ];
  const { child, line } = run(join(folder, "main.ts"));
  child.stdin?.end(JSON.stringify({ secret: SECRET, cases }));
  expect(JSON.parse(await line())).toEqual(cases.map(({ genuine }) => genuine));
  await once(child, "exit");
});

test("the page names every option with its default, and the schedule", () => {
  const section = page.split("## Configuration")[1]?.split(/^## /m)[0] ?? "";
  const options = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  const [endpoint] = endpointsOf([{ name: "ops", url: "https://ops.example", secret: SECRET }]);
  expect(options).toEqual(["name", "url", "secret", "events", "timeout", "concurrency"]);
  expect(section).toContain(`Default ${endpoint?.timeout.toLocaleString("en-US")}`);
  expect(section).toContain(`Default ${endpoint?.concurrency},`);
  for (const event of endpoint?.events ?? []) expect(section).toContain(`\`${event}\``);
  const waits = SCHEDULE.map((wait) => wait / 1000);
  expect(waits).toEqual([0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600]);
  expect(page.replace(/\s+/g, " ")).toContain(
    "at once, then 5 s, 5 minutes, 30 minutes, 2, 5, 10, 14, 20 and 24 hours",
  );
});
