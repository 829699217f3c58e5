import { InputError } from "@bucketline/core";
import { describe, expect, test } from "vitest";
import type { WebhookOptions } from "../../src/index.ts";
import { endpointsOf } from "../../src/webhooks/settings.ts";
import { OLD_SECRET, SECRET } from "../support/receiver.ts";

const GOOD: WebhookOptions = { name: "ops", url: "https://ops.example/hook?key=hidden#part", secret: SECRET };

const refusal = (webhooks: unknown): InputError => {
  try {
    endpointsOf(webhooks as WebhookOptions[]);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
};

test("fills in what is not said, and shows a URL without its query", () => {
  expect(endpointsOf()).toEqual([]);
  expect(endpointsOf([GOOD])).toMatchObject([
    {
      name: "ops",
      url: "https://ops.example/hook?key=hidden",
      shownUrl: "https://ops.example/hook",
      events: ["upload:completed", "upload:failed", "file:failed"],
      timeout: 15_000,
      concurrency: 4,
    },
  ]);
});

test("what may be logged of a webhook holds no secret", () => {
  expect(JSON.stringify(endpointsOf([GOOD]))).not.toContain(SECRET.slice(6, 20));
});

describe("refuses", () => {
  const bytes = (size: number) => `whsec_${Buffer.alloc(size, 7).toString("base64")}`;
  test.each<[string, unknown]>([
    ["what is no list", { ops: GOOD }],
    ["what is no webhook", [null]],
    ["no name", [{ ...GOOD, name: undefined }]],
    ["a name that the ledger does not take", [{ ...GOOD, name: "a b" }]],
    ["two of a name", [GOOD, { ...GOOD, url: "https://other.example/" }]],
    ["a field it does not know", [{ ...GOOD, retries: 5 }]],
    ["no URL", [{ ...GOOD, url: undefined }]],
    ["a relative URL", [{ ...GOOD, url: "/hook" }]],
    ["another protocol", [{ ...GOOD, url: "file:///etc/passwd" }]],
    ["a user in the URL", [{ ...GOOD, url: "https://user@ops.example/" }]],
    ["a password in the URL", [{ ...GOOD, url: "https://:hidden@ops.example/" }]],
    ["no secret", [{ ...GOOD, secret: undefined }]],
    ["no secret in the list", [{ ...GOOD, secret: [] }]],
    ["a secret without its prefix", [{ ...GOOD, secret: SECRET.slice(6) }]],
    ["a short secret", [{ ...GOOD, secret: bytes(23) }]],
    ["a long secret", [{ ...GOOD, secret: bytes(65) }]],
    ["a secret that is not base 64", [{ ...GOOD, secret: `${SECRET.slice(0, -1)}!` }]],
    ["a secret without its padding", [{ ...GOOD, secret: SECRET.slice(0, -1) }]],
    ["one bad secret of two", [{ ...GOOD, secret: [SECRET, "hidden"] }]],
    ["a secret twice", [{ ...GOOD, secret: [SECRET, SECRET] }]],
    ["no events", [{ ...GOOD, events: [] }]],
    ["an event it does not keep", [{ ...GOOD, events: ["upload:paused"] }]],
    ["an event twice", [{ ...GOOD, events: ["file:failed", "file:failed"] }]],
    ["no time at all", [{ ...GOOD, timeout: 0 }]],
    ["too much time", [{ ...GOOD, timeout: 300_001 }]],
    ["no requests at all", [{ ...GOOD, concurrency: 0 }]],
    ["half a request", [{ ...GOOD, concurrency: 1.5 }]],
  ])("%s, and repeats nothing secret", (_, webhooks) => {
    const { code, message } = refusal(webhooks);
    expect(code).toBe("INVALID_OPTION");
    expect(message).toMatch(/^Option webhooks: /);
    expect(message).not.toMatch(/hidden|ops\.example|MDEyMzQ1/);
  });

  test("nothing that is good", () => {
    const good = [bytes(24), bytes(64), [SECRET, OLD_SECRET]].map((secret, index) => ({
      ...GOOD,
      name: `n${index}`,
      secret,
    }));
    expect(endpointsOf(good).map(({ name }) => name)).toEqual(["n0", "n1", "n2"]);
    expect(endpointsOf([{ ...GOOD, url: "http://127.0.0.1:9/x", events: ["file:failed"] }])).toHaveLength(1);
  });
});
