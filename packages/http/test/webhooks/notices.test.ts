import { newNotice } from "@bucketline/core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { Bed } from "../support/bed.ts";
import { ADMIN, AUTH, READER } from "../support/credentials.ts";
import { Document, undocumented } from "../support/document.ts";
import { OLD_SECRET, Receiver, SECRET, signatureOf } from "../support/receiver.ts";

interface NoticePage {
  readonly notices: readonly { readonly notice_id: string; readonly subscriber: string; readonly state: string }[];
  readonly next_cursor: string | null;
}

let receiver: Receiver;
let bed: Bed;
let document: Document;

/** Never started, so that nothing is delivered but what is asked for. */
beforeAll(async () => {
  receiver = await Receiver.open();
  const webhooks = [
    { name: "ops", url: `${receiver.url}?key=hidden-key`, secret: [SECRET, OLD_SECRET] },
    { name: "files", url: receiver.url, secret: SECRET, events: ["file:failed"] as const },
  ];
  bed = await Bed.open({ started: false, server: { webhooks, auth: AUTH } });
  document = await Document.of(bed, READER);
});

afterAll(async () => {
  await bed.close();
  await receiver.close();
});

const reason = { code: "NOTICE_UNDELIVERED", message: "Webhook files answered 500." } as const;

/** Puts notices into the ledger, and takes them out again after the test. */
function add(subscriber: string, ids: readonly string[], fields: object = {}): void {
  const payload = {
    uploadId: "u",
    path: "<b>\u202e\u0000.txt",
    key: "u/k",
    state: "FAILED",
    size: 3,
    attempts: 5,
    reason: { code: "OBJECT_REJECTED", message: "no" },
  } as const;
  for (const id of ids) {
    const notice = newNotice({ id, subscriber, event: "file:failed", payload }, Date.UTC(2026, 0, 1));
    bed.ledger.apply({ notice: { ...notice, ...fields } });
    onTestFinished(() => bed.ledger.apply({ removedNotice: id }));
  }
}

const get = async (path: string) => await bed.call<NoticePage>(path, { token: READER });
const change = async (method: string, path: string) => await bed.call(path, { method, token: ADMIN });
const ids = ({ body }: { readonly body: NoticePage }) => body.notices.map(({ notice_id }) => notice_id);

test("webhooks are listed with what waits for them, and without anything secret", async () => {
  add("ops", ["n1", "n2"]);
  add("files", ["n3"], { state: "DEAD", reason });
  const answer = await get("/api/v1/webhooks/");
  const none = { in_flight: 0, held_until: null, last_delivered_at: null, last_failed_at: null, last_failure: null };
  const events = ["upload:completed", "upload:failed", "file:failed"];
  expect(answer.body).toEqual({
    webhooks: [
      { ...none, name: "ops", url: receiver.url, events, due: 2, dead: 0 },
      { ...none, name: "files", url: receiver.url, events: ["file:failed"], due: 0, dead: 1 },
    ],
  });
  expect(undocumented(document.route("listWebhooks"), answer)).toEqual([]);
  expect(answer.text).not.toMatch(/hidden|whsec|MDEyMzQ1/);
});

test("notices are listed in pages, by state and by subscriber, also of webhooks that are not configured any more", async () => {
  add("ops", ["n1", "n3", "n5"]);
  add("gone", ["n2", "n4"], { state: "DEAD", reason });
  const answer = await get("/notices");
  expect(ids(answer)).toEqual(["n1", "n2", "n3", "n4", "n5"]);
  expect(undocumented(document.route("listNotices"), answer)).toEqual([]);
  expect(ids(await get("/notices?state=DEAD"))).toEqual(["n2", "n4"]);
  expect(ids(await get("/notices?state=DEAD,DUE&subscriber=ops"))).toEqual(["n1", "n3", "n5"]);
  const first = await get("/notices?limit=2");
  expect(ids(first)).toEqual(["n1", "n2"]);
  const second = await get(`/notices?limit=3&cursor=${first.body.next_cursor}`);
  expect(ids(second)).toEqual(["n3", "n4", "n5"]);
  expect(second.body.next_cursor).toBe(null);
  expect((await get(`/notices?state=DUE&cursor=${first.body.next_cursor}`)).status).toBe(400);
  for (const query of ["state=GONE", "subscriber=a%20b", "limit=0", "other=1"])
    expect([query, (await get(`/notices?${query}`)).status]).toEqual([query, 400]);
});

test("a notice is shown as it is told, and a name that is not there is not found", async () => {
  add("files", ["n1"], { attempts: 2, nextAttemptAt: Date.UTC(2026, 0, 2), reason });
  const answer = await bed.call("/notices/n1", { token: READER });
  expect(answer.body).toEqual({
    notice_id: "n1",
    subscriber: "files",
    event: "file:failed",
    data: {
      upload_id: "u",
      file_id: Buffer.from("<b>\u202e\u0000.txt").toString("base64url"),
      path: "<b>\u202e\u0000.txt",
      key: "u/k",
      state: "FAILED",
      size: 3,
      attempts: 5,
      reason: { code: "OBJECT_REJECTED", message: "no" },
    },
    state: "DUE",
    attempts: 2,
    next_attempt_at: "2026-01-02T00:00:00.000Z",
    reason,
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
  });
  expect(undocumented(document.route("getNotice"), answer)).toEqual([]);
  const missing = await bed.call("/notices/nobody", { token: READER });
  expect(missing).toMatchObject({ status: 404, body: { code: "NOTICE_NOT_FOUND" } });
  expect(undocumented(document.route("getNotice"), missing)).toEqual([]);
});

test("a dead notice is retried, one that is due cannot be, and either is discarded", async () => {
  add("files", ["n1"], { state: "DEAD", attempts: 8, nextAttemptAt: Date.UTC(2026, 0, 2), reason });
  const retried = await change("POST", "/notices/n1/retry");
  expect(retried).toMatchObject({ status: 200, body: { state: "DUE", attempts: 0, next_attempt_at: null, reason } });
  expect(undocumented(document.route("retryNotice"), retried)).toEqual([]);
  const again = await change("POST", "/notices/n1/retry");
  expect(again).toMatchObject({ status: 409, body: { code: "INVALID_TRANSITION" } });
  expect(undocumented(document.route("retryNotice"), again)).toEqual([]);
  const discarded = await change("DELETE", "/notices/n1");
  expect(discarded).toMatchObject({ status: 204, text: "" });
  expect(undocumented(document.route("discardNotice"), discarded)).toEqual([]);
  expect(await change("DELETE", "/notices/n1")).toMatchObject({ status: 404, body: { code: "NOTICE_NOT_FOUND" } });
  expect(await change("POST", "/notices/n1/retry")).toMatchObject({ status: 404 });
});

test("who may only read neither retries, nor discards, nor tests", async () => {
  add("files", ["n1"], { state: "DEAD", reason });
  const asked = receiver.requests.length;
  for (const [method, path] of [
    ["POST", "/notices/n1/retry"],
    ["DELETE", "/notices/n1"],
    ["POST", "/webhooks/ops/test"],
  ] as const)
    expect((await bed.call(path, { method, token: READER })).status).toBe(403);
  expect(bed.ledger.notices.get("n1")).toMatchObject({ state: "DEAD" });
  expect(receiver.requests).toHaveLength(asked);
});

test("a test message is signed like any other, and its outcome is told", async () => {
  const asked = receiver.requests.length;
  receiver.next(202, 500);
  const good = await change("POST", "/webhooks/ops/test");
  expect(good).toMatchObject({
    status: 200,
    body: { delivered: true, status: 202, message: "Webhook ops answered 202." },
  });
  expect(undocumented(document.route("testWebhook"), good)).toEqual([]);
  const request = receiver.requests[asked];
  if (!request) throw new Error("it was sent");
  expect(request.headers["webhook-id"]).toBe(good.body.message_id);
  expect(request.headers["webhook-id"]).toMatch(/^test_[\w-]+$/);
  expect(request.headers["webhook-signature"]).toBe(
    `${signatureOf(SECRET, request)} ${signatureOf(OLD_SECRET, request)}`,
  );
  expect(JSON.parse(request.body)).toEqual({
    type: "bucketline.test",
    timestamp: expect.any(String),
    data: { webhook: "ops" },
  });
  const bad = await change("POST", "/webhooks/ops/test");
  expect(bad).toMatchObject({ status: 200, body: { delivered: false, status: 500 } });
  expect(undocumented(document.route("testWebhook"), bad)).toEqual([]);
  const missing = await change("POST", "/webhooks/nobody/test");
  expect(missing).toMatchObject({ status: 404, body: { code: "WEBHOOK_NOT_FOUND" } });
  expect(undocumented(document.route("testWebhook"), missing)).toEqual([]);
});

test("after the last delivery, when it was and how it went are told", async () => {
  const own = await Receiver.open();
  onTestFinished(() => own.close());
  const webhooks = [{ name: "ops", url: own.url, secret: SECRET }];
  const running = await Bed.open({ started: false, server: { webhooks } });
  onTestFinished(() => running.close());
  await running.service.start();
  own.next(410, 200);
  for (const folder of ["one", "two"]) {
    await running.write(`${folder}/a.txt`);
    const { body } = await running.create(folder);
    await running.service.finished(String(body.upload_id));
  }
  const read = async () => (await running.call<{ webhooks: Record<string, unknown>[] }>("/webhooks")).body.webhooks[0];
  let webhook = await read();
  while (!webhook?.last_delivered_at || webhook.dead !== 1) webhook = await read();
  expect(webhook).toMatchObject({
    due: 0,
    last_delivered_at: expect.stringMatching(/Z$/),
    last_failed_at: expect.stringMatching(/Z$/),
    last_failure: {
      code: "NOTICE_UNDELIVERED",
      message: "Webhook ops answered 410: it wants to hear no more of this.",
    },
  });
});
