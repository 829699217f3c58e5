import { newNotice } from "@bucketline/core";
import { afterEach, expect, test } from "vitest";
import type { Bed } from "../../test/support/bed.ts";
import { expectAccessible, withBrowser } from "../../test/support/browser.ts";
import { Receiver, SECRET } from "../../test/support/receiver.ts";

const { serve, open } = withBrowser();

let receiver: Receiver | undefined;
afterEach(() => receiver?.close());

const payload = {
  uploadId: "u",
  path: "<b>\u202E.txt",
  key: "u/k",
  state: "FAILED",
  size: 3,
  attempts: 5,
  reason: { code: "OBJECT_REJECTED", message: "no" },
} as const;

function addDead(bed: Bed, id: string): void {
  const notice = newNotice({ id, subscriber: "ops", event: "file:failed", payload }, Date.now());
  const reason = { code: "NOTICE_UNDELIVERED", message: "Webhook ops answered 500." } as const;
  bed.ledger.apply({ notice: { ...notice, state: "DEAD", attempts: 8, reason } });
}

test("webhooks: what was given up is delivered after all, or discarded when asked twice", async () => {
  receiver = await Receiver.open();
  const bed = await serve({
    server: { webhooks: [{ name: "ops", url: `${receiver.url}?key=hidden`, secret: SECRET }] },
  });
  addDead(bed, "n1");
  addDead(bed, "n2");
  const page = await open("/webhooks");
  const card = page.getByRole("region", { name: "ops" });
  await card.getByText("Given up").waitFor();
  expect(await card.textContent()).not.toContain("hidden");
  const dead = page.getByRole("region", { name: "Given up" }).getByRole("listitem");
  await expect.poll(() => dead.count()).toBe(2);
  expect(await dead.first().textContent()).toMatch(/file:failed to ops.*<b>U\+202E\.txt.*8 attempts.*answered 500/s);
  await expectAccessible(page);

  await dead.first().getByRole("button", { name: "Deliver again" }).click();
  expect((await receiver.received(1))[0]?.headers["webhook-id"]).toBe("n1");
  await expect.poll(() => dead.count()).toBe(1);
  await dead.getByRole("button", { name: "Discard" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  await dead.getByRole("button", { name: "Discard" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Discard it" }).click();
  await page.getByText("Nothing was given up.").waitFor();

  receiver.next(500);
  await card.getByRole("button", { name: "Send a test" }).click();
  await page.getByRole("region", { name: "Messages" }).getByText("500").waitFor();
});

test("service: what it is and may do; limits are changed", async () => {
  const bed = await serve({ server: { buckets: ["bucket"] } });
  await bed.write("in/one");
  await bed.create("in", { upload_id: "watched", mode: "watch" });
  const page = await open("/service");
  const health = page.getByRole("region", { name: "Ready" });
  await expect.poll(() => health.textContent()).toMatch(/Started.*Watched\s*1.*Bucket bucket\s*Answers/s);
  const names = page.getByRole("region", { name: "New uploads" });
  await names.getByText(bed.root).waitFor();
  const limits = page.getByRole("region", { name: "Limits of all uploads" });
  await limits.getByLabel("Bandwidth").fill("quick");
  await limits.getByRole("button", { name: "Change" }).click();
  await limits.getByText("Enter a size such as").waitFor();
  await limits.getByLabel("Bandwidth").fill("3 MiB");
  await limits.getByLabel("Hours").fill("22:00-06:00");
  await limits.getByRole("button", { name: "Change" }).click();
  await page.getByText("Limits changed").first().waitFor();
  expect((await bed.call("/api/v1/limits")).body).toEqual({
    bandwidth_limit: 3 * 1024 ** 2,
    active_hours: "22:00-06:00",
  });
  await page.goto(`${bed.url}/#/new`);
  const offered = page.getByLabel("Bucket", { exact: true }).locator("option");
  await expect.poll(() => offered.allTextContents()).toEqual(["bucket"]);
});

test("activity can be held while it is read, and filtered", async () => {
  const bed = await serve();
  await bed.write("in/one");
  const page = await open("/activity");
  await page.getByText("Live").waitFor();
  const completed = page.getByRole("listitem").filter({ hasText: "upload:completed" });
  await bed.create("in", { upload_id: "first" });
  await completed.getByText("first").waitFor();
  await page.getByRole("button", { name: "Hold" }).click();
  await bed.create("in", { upload_id: "second", key_template: "second/{path}" });
  // What is held back has arrived.
  await page.locator(".spoken").getByText("second: Completed").waitFor({ state: "attached" });
  expect(await completed.count()).toBe(1);
  await page.getByRole("button", { name: "Go on" }).click();
  await completed.getByText("second").waitFor();
  expect(await page.getByRole("listitem").filter({ hasText: "file:uploaded" }).count()).toBe(2);
  await page.getByRole("button", { name: "Uploads" }).click();
  await expect.poll(() => page.getByRole("listitem").filter({ hasText: "file:" }).count()).toBe(0);
  expect(await completed.count()).toBe(2);
});
