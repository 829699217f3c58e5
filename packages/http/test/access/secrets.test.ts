import { S3ObjectStore } from "@bucketline/core/s3";
import { startSandbox } from "@bucketline/s3-sandbox";
import { afterEach, expect, test } from "vitest";
import { EVENT_NAMES } from "../../src/schemas/events.ts";
import { Bed, type CallOptions } from "../support/bed.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";
import { recordedLog } from "../support/log.ts";
import { AUDIENCE, Provider } from "../support/provider.ts";

const S3_SECRET = "s3-secret-c0ffee/0123456789abcdef";
const WEBHOOK_SECRET = Buffer.from("webhook-secret-24-bytes!").toString("base64");

const HOOK_PASSWORD = "hook-password-3344";
const HOOK_URL = `http://127.0.0.1:1/hook?key=${HOOK_PASSWORD}`;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** All that a service said: to callers, in its logs, as events. */
class Transcript {
  readonly said: string[] = [];
  readonly #bed: Bed;

  constructor(bed: Bed) {
    this.#bed = bed;
    for (const name of EVENT_NAMES)
      bed.service.on(name, (event: unknown) => this.said.push(`${name} ${JSON.stringify(event)}`));
  }

  async call(path: string, options: CallOptions = {}) {
    const answer = await this.#bed.call(path, options);
    const headers = [...answer.headers].filter(([name]) => name !== "set-cookie");
    this.said.push(`${path} ${answer.status} ${JSON.stringify(headers)} ${answer.text}`);
    return answer;
  }
}

async function open() {
  const sandbox = await startSandbox({
    buckets: ["bucket"],
    credentials: { accessKeyId: "AKIASANDBOX", secretAccessKey: S3_SECRET },
  });
  closers.push(() => sandbox.close());
  const provider = await Provider.open();
  closers.push(() => provider.close());
  const log = recordedLog();
  const bed = await Bed.open({
    started: false,
    service: { objects: new S3ObjectStore(sandbox.clientConfig), logger: log.logger },
    server: {
      logger: log.logger,
      auth: { ...AUTH, jwt: { issuer: provider.issuer, audience: AUDIENCE } },
      webhooks: [{ name: "hook", url: HOOK_URL, secret: `whsec_${WEBHOOK_SECRET}` }],
    },
  });
  closers.push(() => bed.close());
  await bed.service.start();
  return { bed, provider, sandbox, log };
}

test("secrets are in no answer, log, event or ledger of a whole session", async () => {
  const { bed, provider, sandbox, log } = await open();
  const transcript = new Transcript(bed);
  const jwt = await provider.token({ scope: "bucketline:admin" });
  const expired = await provider.token({ exp: 1_000_000 });
  await bed.write("in/a.txt", "a");
  await bed.write("in/b.txt", "b");
  sandbox.fault({ operation: "PutObject", key: /b\.txt$/, action: { type: "respond", code: "InvalidRequest" } });

  const login = await transcript.call("/session", { body: { token: ADMIN } });
  const cookie = (login.headers.get("set-cookie") ?? "").split(";")[0]!;
  const session = cookie.split("=")[1]!;
  expect(session).toHaveLength(43);
  for (const token of [ADMIN, READER, WRONG, jwt, expired]) {
    await transcript.call("/session", { body: { token } });
    await transcript.call("/session", { token });
    await transcript.call("/uploads", { token, body: { source_folder: `${bed.root}/in`, destination_bucket: "none" } });
    await transcript.call("/uploads", { token, body: `{"token": "${token}"` });
    await transcript.call("/nowhere", { token });
  }
  const body = { upload_id: "first", source_folder: `${bed.root}/in`, destination_bucket: "bucket", mode: "once" };
  const created = await transcript.call("/uploads", { token: jwt, body, headers: { "idempotency-key": "key" } });
  expect(created.status).toBe(201);
  await bed.service.finished("first").catch(() => {});
  const headers = { cookie, origin: bed.url };
  for (const action of ["retry", "check", "pause", "resume"])
    await transcript.call(`/uploads/first/${action}`, { method: "POST", headers });
  for (const path of [
    "/uploads",
    "/uploads/first",
    "/uploads/first/files",
    "/limits",
    "/roots",
    "/pipelines",
    "/export",
    "/notices",
    "/webhooks",
    "/session",
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/docs/",
    "/redoc",
    "/",
  ])
    await transcript.call(path, { token: jwt });
  await transcript.call("/uploads/first", { method: "DELETE", headers });
  await transcript.call("/session", { method: "DELETE", headers });

  const ledger: string[] = [];
  for await (const line of bed.service.export()) ledger.push(line);
  const secrets = [
    ADMIN,
    READER,
    WRONG,
    jwt,
    expired,
    jwt.split(".")[2]!,
    session,
    S3_SECRET,
    WEBHOOK_SECRET,
    HOOK_PASSWORD,
  ];
  const places = { said: transcript.said, logs: log.lines(), ledger };
  for (const [place, texts] of Object.entries(places)) {
    expect([place, texts.length]).toEqual([place, expect.toSatisfy((length: number) => length > 2)]);
    for (const secret of secrets) {
      const found = texts.filter((text) => text.includes(secret) || text.includes(encodeURIComponent(secret)));
      expect([place, secret, found]).toEqual([place, secret, []]);
    }
  }
  expect(log.lines().some((line) => line.includes("/uploads/first"))).toBe(true);
});
