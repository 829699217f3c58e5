import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { Webhook } from "standardwebhooks";
import { expect, onTestFinished, test } from "vitest";
import { Receiver, SECRET } from "../support/receiver.ts";

const PROGRAM = fileURLToPath(new URL("../support/webhook-process.ts", import.meta.url));

test("a process that is killed between recording a failed file and telling of it tells it after its next start, once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bucketline-killed-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const source = await mkdtemp(join(folder, "source-"));
  await writeFile(join(source, "a.txt"), "content");
  const receiver = await Receiver.open();
  onTestFinished(() => receiver.close());
  const database = join(folder, "uploads.db");
  const start = (task: "live" | "die") => {
    const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
    const args = [...flags, PROGRAM, database, source, receiver.url, SECRET, task];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };
  const notices = async () => {
    const state = new SqliteStateStore(database);
    await state.open();
    const found = await state.listNotices({ limit: 100 });
    await state.close();
    return found;
  };

  const [, signal] = await once(start("die"), "exit");
  expect(signal).toBe("SIGKILL");
  expect(receiver.requests).toEqual([]);
  const [recorded, ...others] = await notices();
  expect(others).toEqual([]);
  expect(recorded).toMatchObject({ event: "file:failed", subscriber: "ops", state: "DUE", attempts: 0 });

  const second = start("live");
  await receiver.received(1);
  while ((await notices()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  second.kill("SIGKILL");
  await once(second, "exit");
  expect(receiver.requests.map(({ headers }) => headers["webhook-id"])).toEqual([recorded?.id]);
  const [{ headers, body }] = receiver.requests as [Receiver["requests"][number]];
  expect(new Webhook(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
    type: "file.failed",
    data: { upload_id: "u", path: "a.txt", reason: { code: "OBJECT_REJECTED" } },
  });
});
