import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { ObjectStoreError, systemClock } from "@bucketline/core";
import { faulty, MemoryBuckets, MemoryObjectStore, MemoryState, MemoryStateStore } from "@bucketline/core/testing";
import { Webhook } from "standardwebhooks";
import { describe, expect, onTestFinished, test } from "vitest";
import type { WebhookOptions } from "../../src/index.ts";
import { Bed, BUCKET } from "../support/bed.ts";
import { hosted } from "../support/host.ts";
import { OLD_SECRET, type Received, Receiver, type Reply, SECRET, signatureOf } from "../support/receiver.ts";

async function receiver(usual?: Reply): Promise<Receiver> {
  const opened = await Receiver.open(usual);
  onTestFinished(() => opened.close());
  return opened;
}

/** A bucket that takes no file whose name says so. */
function refusingObjects(): ReturnType<typeof faulty<MemoryObjectStore>> {
  const buckets = new MemoryBuckets();
  buckets.create(BUCKET);
  return faulty(new MemoryObjectStore({ state: buckets, clock: systemClock }), [
    {
      method: "putObject",
      times: Number.POSITIVE_INFINITY,
      when: ({ key }) => key.includes("/bad"),
      before: () => new ObjectStoreError({ kind: "rejected", operation: "putObject", bucket: BUCKET }, "refused"),
    },
  ]);
}

/** A running service with webhooks, whose files named `bad` fail. */
async function bed(webhooks: readonly WebhookOptions[], ledger = new MemoryState()): Promise<Bed> {
  const state = new MemoryStateStore({ clock: systemClock, state: ledger });
  const objects = refusingObjects().port;
  const opened = await Bed.open({ started: false, service: { state, objects }, server: { webhooks } });
  onTestFinished(() => opened.close());
  await opened.service.start();
  return opened;
}

const bodyOf = ({ body }: Received) => JSON.parse(body);
const noticesOf = async ({ service }: Bed) => await service.outbox.list();

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

test("a completed upload, and a failed one with its file, are told in signed requests that anybody can verify", async () => {
  const told = await receiver();
  const there = await bed([{ name: "ops", url: `${told.url}?key=1`, secret: [SECRET, OLD_SECRET] }]);
  await there.write("good/a.txt");
  await there.create("good", { upload_id: "u-good" });
  await told.received(1);
  await there.write("some/bad <b>\u202e文.txt");
  await there.create("some", { upload_id: "u-bad" });
  const requests = await told.received(3);
  for (const request of requests) {
    expect(request.path).toBe("/hook?key=1");
    expect(request.headers).toMatchObject({
      "content-type": "application/json",
      "webhook-id": expect.stringMatching(/^ntc_[a-z0-9]+$/),
      "webhook-timestamp": expect.stringMatching(/^\d{10}$/),
      "webhook-signature": `${signatureOf(SECRET, request)} ${signatureOf(OLD_SECRET, request)}`,
    });
    for (const secret of [SECRET, OLD_SECRET])
      expect(new Webhook(secret).verify(request.body, request.headers as Record<string, string>)).toEqual(
        bodyOf(request),
      );
  }
  expect(new Set(requests.map(({ headers }) => headers["webhook-id"])).size).toBe(3);
  const byType = new Map(requests.map((request) => [bodyOf(request).type, bodyOf(request)]));
  const time = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/);
  expect(byType.get("upload.completed")).toEqual({
    type: "upload.completed",
    timestamp: time,
    data: { upload_id: "u-good", state: "COMPLETED", reason: null },
  });
  expect(byType.get("upload.failed")).toMatchObject({ data: { upload_id: "u-bad", state: "FAILED" } });
  expect(byType.get("file.failed")).toEqual({
    type: "file.failed",
    timestamp: time,
    data: {
      upload_id: "u-bad",
      file_id: Buffer.from("bad <b>\u202e文.txt").toString("base64url"),
      path: "bad <b>\u202e文.txt",
      key: "u-bad/bad <b>\u202e文.txt",
      state: "FAILED",
      size: 7,
      attempts: 1,
      reason: { code: "OBJECT_REJECTED", message: expect.any(String) },
    },
  });
  await until(async () => (await noticesOf(there)).length === 0);
});

test("each webhook is told of its own events only", async () => {
  const files = await receiver();
  const uploads = await receiver();
  const there = await bed([
    { name: "files", url: files.url, secret: SECRET, events: ["file:failed"] },
    { name: "uploads", url: uploads.url, secret: OLD_SECRET, events: ["upload:failed", "upload:completed"] },
  ]);
  await there.write("some/bad");
  await there.create("some");
  await uploads.received(1);
  await files.received(1);
  await until(async () => (await noticesOf(there)).length === 0);
  expect(files.requests.map((request) => bodyOf(request).type)).toEqual(["file.failed"]);
  expect(uploads.requests.map((request) => bodyOf(request).type)).toEqual(["upload.failed"]);
});

describe("a receiver that", () => {
  const answers: readonly (readonly [string, Reply, string | RegExp])[] = [
    ["fails", 500, "Webhook ops answered 500."],
    [
      "resets the connection",
      (_, request) => request.socket.destroy(),
      /^Webhook ops cannot be reached \([A-Z_]+\)\.$/,
    ],
    [
      "sends no HTTP",
      (_, request) => request.socket.end("hello\r\n\r\n"),
      "Webhook ops cannot be reached (its answer is not HTTP).",
    ],
    ["hangs", () => {}, "Webhook ops did not answer within 300 ms."],
    [
      "redirects",
      (response) => response.writeHead(307, { location: "/elsewhere" }).end(),
      "Webhook ops answered 307. Redirects are not followed: configure the URL that it leads to.",
    ],
    [
      "asks for time",
      (response) => response.writeHead(429, { "retry-after": "60" }).end(),
      "Webhook ops answered 429.",
    ],
    ["fails at great length", (response) => void endless(response.writeHead(502)), "Webhook ops answered 502."],
  ];
  test.each(answers)("%s gets it again, and is named with what it did", async (_, reply, message) => {
    const told = await receiver(reply);
    const there = await bed([{ name: "ops", url: told.url, secret: SECRET, timeout: 300 }]);
    await there.write("good/a.txt");
    await there.create("good");
    await told.received(1);
    await until(async () => (await noticesOf(there))[0]?.reason != null);
    expect(await noticesOf(there)).toMatchObject([
      { state: "DUE", reason: { message: typeof message === "string" ? message : expect.stringMatching(message) } },
    ]);
    expect(told.requests).toHaveLength(1);
  });

  test("is gone gets nothing more of it: it is a dead letter at once, and delivered when it is retried", async () => {
    const told = await receiver();
    told.next(410);
    const there = await bed([{ name: "ops", url: told.url, secret: SECRET }]);
    await there.write("good/a.txt");
    await there.create("good");
    await until(async () => (await noticesOf(there))[0]?.state === "DEAD");
    const [dead] = await noticesOf(there);
    const retried = await there.call(`/notices/${dead?.id}/retry`, { method: "POST" });
    expect(retried).toMatchObject({ status: 200, body: { state: "DUE", attempts: 0, next_attempt_at: null } });
    const [first, second] = await told.received(2);
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
    expect(second?.body).toBe(first?.body);
    await until(async () => (await noticesOf(there)).length === 0);
  });

  test("answers 200 at endless length has been told", async () => {
    const told = await receiver((response) => void endless(response.writeHead(200)));
    const there = await bed([{ name: "ops", url: told.url, secret: SECRET }]);
    await there.write("good/a.txt");
    await there.create("good");
    await told.received(1);
    await until(async () => (await noticesOf(there)).length === 0);
    expect(told.requests).toHaveLength(1);
  });

  test("hangs delays no other", async () => {
    const hanging = await receiver(() => {});
    const quick = await receiver();
    const there = await bed([
      { name: "hanging", url: hanging.url, secret: SECRET },
      { name: "quick", url: quick.url, secret: SECRET },
    ]);
    for (let upload = 0; upload < 6; upload++) {
      await there.write(`good${upload}/a.txt`);
      await there.create(`good${upload}`);
    }
    await quick.received(6);
    await hanging.received(4);
    expect(hanging.requests).toHaveLength(4);
  });
});

function endless(response: import("node:http").ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(16_384)));
  };
  response.on("drain", more);
  more();
}

test("two services on one ledger tell each notice once", async () => {
  const told = await receiver();
  const ledger = new MemoryState();
  const webhooks = [{ name: "ops", url: told.url, secret: SECRET, events: ["file:failed"] as const }];
  const first = await bed(webhooks, ledger);
  const second = await bed(webhooks, ledger);
  for (let file = 0; file < 20; file++) {
    await first.write(`some/bad${file}`);
    await second.write(`other/bad${file}`);
  }
  await Promise.all([first.create("some"), second.create("other")]);
  const requests = await told.received(40);
  await until(async () => (await noticesOf(first)).length === 0);
  expect(new Set(requests.map(({ headers }) => headers["webhook-id"])).size).toBe(40);
  expect(told.requests).toHaveLength(40);
});

test("closing the server takes seconds at most while a receiver hangs, and what it was told is due at once", async () => {
  const told = await receiver(() => {});
  const there = await bed([{ name: "ops", url: told.url, secret: SECRET }]);
  await there.write("good/a.txt");
  await there.create("good");
  await told.received(1);
  await there.server.close();
  expect(await noticesOf(there)).toMatchObject([
    { attempts: 1, reason: { message: "The service stopped before webhook ops had answered." } },
  ]);
  expect(((await noticesOf(there))[0]?.nextAttemptAt ?? 0) <= Date.now()).toBe(true);
});

test("a server that was never made ready, or whose service never starts, closes all the same", async () => {
  const there = await Bed.open({ started: false });
  onTestFinished(() => there.close());
  const webhooks = [{ name: "ops", url: "http://127.0.0.1:9/", secret: SECRET }];
  const app = await hosted({ service: there.service, webhooks });
  await app.close();
});

test("webhooks of a service that has been started are refused, and the message says what to do", async () => {
  const there = await Bed.open();
  onTestFinished(() => there.close());
  const options = { service: there.service, webhooks: [{ name: "ops", url: "http://127.0.0.1:9/", secret: SECRET }] };
  await expect(hosted(options)).rejects.toMatchObject({
    code: "SERVICE_STARTED",
    message: expect.stringContaining("await app.register(bucketline, …), before service.start()"),
  });
});

test("a port that the Fetch standard forbids is named as the reason", async () => {
  const there = await bed([{ name: "ops", url: "http://127.0.0.1:25/hook", secret: SECRET }]);
  await there.write("good/a.txt");
  await there.create("good");
  await until(async () => (await noticesOf(there))[0]?.reason != null);
  const message = "Webhook ops cannot be reached (the Fetch standard forbids this port).";
  expect(await noticesOf(there)).toMatchObject([{ reason: { message } }]);
});

test("a receiver that nobody listens at is named by the error, not by its address", async () => {
  const closed = createServer();
  await once(closed.listen(0, "127.0.0.1"), "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const there = await bed([{ name: "ops", url: `http://127.0.0.1:${port}/hook`, secret: SECRET }]);
  await there.write("good/a.txt");
  await there.create("good");
  await until(async () => (await noticesOf(there))[0]?.reason != null);
  expect(await noticesOf(there)).toMatchObject([
    { reason: { message: "Webhook ops cannot be reached (ECONNREFUSED)." } },
  ]);
});
