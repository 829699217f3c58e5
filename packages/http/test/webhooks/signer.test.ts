import { createHmac } from "node:crypto";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { expect, test } from "vitest";
import { Signer } from "../../src/webhooks/signer.ts";
import { OLD_SECRET, SECRET } from "../support/receiver.ts";

const BODY = '{"type":"upload.completed","data":{"path":"naïve \u202e 文"}}';

test("signs as other implementations of Standard Webhooks do", () => {
  const signer = new Signer(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
  expect(signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_000, '{"test": 2432232314}')).toEqual({
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});

test("the signature covers id, timestamp and body: whoever changes one of them is found out", () => {
  const now = Date.now();
  const headers = new Signer([SECRET]).headers("ntc_1", now, BODY);
  const webhook = new Webhook(SECRET);
  expect(webhook.verify(BODY, headers)).toEqual(JSON.parse(BODY));
  const forged = [
    { "webhook-id": "ntc_2" },
    { "webhook-timestamp": String(Math.floor(now / 1000) + 1) },
    { "webhook-signature": new Signer([OLD_SECRET]).headers("ntc_1", now, BODY)["webhook-signature"] },
  ];
  for (const other of forged)
    expect(() => webhook.verify(BODY, { ...headers, ...(other as Record<string, string>) })).toThrow(
      WebhookVerificationError,
    );
  expect(() => webhook.verify(BODY.replace("completed", "failed"), headers)).toThrow(WebhookVerificationError);
});

test("while a secret is replaced, both sign, and a receiver needs either one", () => {
  const now = Date.now();
  const headers = new Signer([SECRET, OLD_SECRET]).headers("ntc_1", now, BODY);
  for (const secret of [SECRET, OLD_SECRET])
    expect(new Webhook(secret).verify(BODY, headers)).toEqual(JSON.parse(BODY));
  const expected = [SECRET, OLD_SECRET].map((secret) => {
    const key = Buffer.from(secret.slice("whsec_".length), "base64");
    const signed = `ntc_1.${Math.floor(now / 1000)}.${BODY}`;
    return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
  });
  expect(headers["webhook-signature"]).toBe(expected.join(" "));
});
