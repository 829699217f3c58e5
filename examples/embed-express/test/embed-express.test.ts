import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

let child: ChildProcess | undefined;

afterEach(async () => {
  if (child?.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
});

async function run() {
  const env = { ...process.env, PORT: "0", SHOP_PASSWORD: "secret" };
  const started = spawn(process.execPath, [...FROM_SOURCES, MAIN], { env });
  child = started;
  const text = { output: "", errors: "" };
  started.stderr.setEncoding("utf8").on("data", (data: string) => (text.errors += data));
  const ended = once(started, "close");
  const url = await new Promise<string>((resolve, reject) => {
    started.stdout.setEncoding("utf8").on("data", (data: string) => {
      text.output += data;
      const [, found] = /^The shop +(http:\S+)\/$/m.exec(text.output) ?? [];
      if (found && text.output.includes("password")) resolve(found);
    });
    void ended.then(() => reject(new Error(`It ended early: ${text.errors}`)));
  });
  return { process: started, url, ended, text };
}

async function logIn(url: string, name: string, password = "secret") {
  const body = new URLSearchParams({ name, password });
  const answer = await fetch(`${url}/log-in`, { method: "POST", body, redirect: "manual" });
  const [cookie = ""] = (answer.headers.get("set-cookie") ?? "").split(";");
  return { status: answer.status, headers: { cookie } };
}

const HTML = { accept: "text/html" };

test("the host answers on its routes, its people use the uploads, and it stops in order", async () => {
  const host = await run();
  const admin = `${host.url}/uploads-admin`;
  expect(await (await fetch(host.url)).json()).toEqual({ shop: "open" });
  expect((await fetch(`${host.url}/orders`)).status).toBe(401);
  expect((await logIn(host.url, "ada", "guess")).status).toBe(401);
  const guest = (await logIn(host.url, "guest")).headers;
  const ada = (await logIn(host.url, "ada")).headers;
  expect(await (await fetch(`${host.url}/orders`, { headers: ada })).json()).toEqual({ orders: [], of: "ada" });

  const completed = { state: "COMPLETED", pending_files: 0, total_files: 12, completed_files: 12 };
  const upload = async () => (await fetch(`${admin}/api/v1/uploads/photos`, { headers: guest })).json();
  await expect.poll(upload, { timeout: 20_000 }).toMatchObject(completed);

  const sent = await fetch(`${admin}/`, { headers: HTML, redirect: "manual" });
  expect([sent.status, sent.headers.get("location")]).toEqual([302, "/log-in"]);
  expect((await fetch(`${admin}/api/v1/uploads`)).status).toBe(401);
  const page = await fetch(`${admin}/`, { headers: { ...guest, ...HTML } });
  expect(page.status).toBe(200);

  // An open stream of events does not hold up the end.
  const events = await fetch(`${admin}/api/v1/events`, { headers: guest });
  expect(events.headers.get("content-type")).toContain("text/event-stream");
  host.process.kill("SIGTERM");
  expect(await events.text()).toContain("event: bye");
  expect(await host.ended).toEqual([0, null]);
  expect(host.text).toMatchObject({ errors: "", output: expect.stringMatching(/the bucket holds 12 objects\.\n$/) });
}, 60_000);

test("who may do what is the host's to say, and no page of another site does it", async () => {
  const { url } = await run();
  const pause = async (headers: Record<string, string>) =>
    (
      await fetch(`${url}/uploads-admin/api/v1/uploads/photos/pause`, {
        method: "POST",
        body: "{}",
        headers: { "content-type": "application/json", ...headers },
      })
    ).status;
  const guest = (await logIn(url, "guest")).headers;
  const ada = (await logIn(url, "ada")).headers;
  expect(await pause({ origin: url })).toBe(401);
  expect(await pause({ ...guest, origin: url })).toBe(403);
  expect(await pause({ ...ada, origin: "https://elsewhere.example" })).toBe(403);
  expect(await pause({ ...ada })).toBe(403);
  expect(await pause({ ...ada, origin: url })).toBe(200);
  await fetch(`${url}/log-out`, { method: "POST", headers: ada });
  expect(await pause({ ...ada, origin: url })).toBe(401);
}, 60_000);
