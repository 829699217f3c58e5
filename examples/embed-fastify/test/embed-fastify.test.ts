import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { systemClock, UploadService } from "@bucketline/core";
import { MemoryObjectStore, MemoryStateStore } from "@bucketline/core/testing";
import { afterEach, expect, test } from "vitest";
import { buildApp } from "../src/app.ts";

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

const as = (name: string, password = "secret") => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`,
});

async function untilCompleted(url: string) {
  for (;;) {
    const upload = (await (await fetch(`${url}/api/v1/uploads/photos`, { headers: as("guest") })).json()) as {
      state: string;
      pending_files: number;
    };
    if (upload.state === "COMPLETED" && upload.pending_files === 0) return upload;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("the host answers on its routes, its people use the uploads, and it stops in order", async () => {
  const host = await run();
  const admin = `${host.url}/uploads-admin`;
  expect(await (await fetch(host.url)).json()).toEqual({ shop: "open" });
  expect((await fetch(`${host.url}/orders`)).status).toBe(401);
  expect(await (await fetch(`${host.url}/orders`, { headers: as("ada") })).json()).toEqual({ orders: [], of: "ada" });

  expect(await untilCompleted(admin)).toMatchObject({ total_files: 12, completed_files: 12 });
  const page = await fetch(`${admin}/`, { headers: { ...as("guest"), accept: "text/html" } });
  expect(page.status).toBe(200);

  // An open stream of events does not hold up the end.
  const events = await fetch(`${admin}/api/v1/events`, { headers: as("guest") });
  expect(events.headers.get("content-type")).toContain("text/event-stream");
  host.process.kill("SIGTERM");
  expect(await events.text()).toContain("event: bye");
  expect(await host.ended).toEqual([0, null]);
  expect(host.text).toMatchObject({ errors: "", output: expect.stringMatching(/the bucket holds 12 objects\.\n$/) });
});

test("who may do what is the host's to say", async () => {
  const service = new UploadService({
    state: new MemoryStateStore({ clock: systemClock }),
    objects: new MemoryObjectStore({ buckets: ["photos"] }),
  });
  const people = [
    { name: "ada", password: "secret", scopes: ["admin"] },
    { name: "guest", password: "secret", scopes: ["read"] },
  ] as const;
  const app = await buildApp({ service, people });
  try {
    await app.ready();
    await service.register({ id: "a", sourceFolder: fileURLToPath(new URL(".", import.meta.url)), bucket: "photos" });
    const pause = (headers: Record<string, string>) =>
      app.inject({ method: "POST", url: "/uploads-admin/api/v1/uploads/a/pause", headers });
    const uploads = (headers: Record<string, string>) =>
      app.inject({ url: "/uploads-admin/api/v1/uploads", headers }).then(({ statusCode }) => statusCode);

    expect(await uploads({})).toBe(401);
    expect(await uploads(as("ada", "guess"))).toBe(401);
    expect(await uploads({ authorization: "Bearer guess" })).toBe(401);
    expect(await uploads(as("guest"))).toBe(200);
    expect((await pause(as("guest"))).statusCode).toBe(403);
    expect((await pause({ ...as("ada"), origin: "https://elsewhere.example" })).statusCode).toBe(403);
    expect((await pause({ ...as("ada"), "sec-fetch-site": "cross-site" })).statusCode).toBe(403);
    expect((await pause(as("ada"))).statusCode).toBe(403);
    expect((await service.get("a")).state).not.toBe("PAUSED");
    expect((await pause({ ...as("ada"), origin: "http://localhost" })).statusCode).toBe(200);
    expect((await service.get("a")).state).toBe("PAUSED");
    expect(service.status()).toMatchObject({ started: true });
  } finally {
    await app.close();
  }
  await expect(service.get("a")).rejects.toMatchObject({ code: "SERVICE_STOPPED" });
});
