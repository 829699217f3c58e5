import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createServer } from "../../src/index.ts";
import { BUCKET } from "../../test/support/bed.ts";
import { expectText, withBrowser } from "../../test/support/browser.ts";
import { rejected, weakBucket } from "./weak-bucket.ts";

const { serve, open } = withBrowser();

describe("a new upload", () => {
  test("is previewed, created and watched to its end", async () => {
    const bucket = weakBucket();
    const bed = await serve({ service: { objects: bucket.port } });
    for (const name of ["a.txt", "b.txt", "c.log"]) await bed.write(`in/${name}`, "12345");
    const page = await open("/uploads");
    await page.getByRole("link", { name: "New upload" }).first().click();
    await page.getByLabel("Folder").fill(join(bed.root, "in"));
    await page.getByLabel("Bucket", { exact: true }).fill(BUCKET);
    await page.getByLabel("Name").fill("letters");
    await page.getByLabel("Pattern").fill("*.txt");
    await page.getByLabel("Mode").selectOption("once");
    await page.getByRole("button", { name: "Preview" }).click();
    const plan = page.getByRole("region", { name: "What would happen" });
    await plan.waitFor();
    expect(await plan.textContent()).toMatch(/Sent\s*2 files\s*10 B/);
    expect(await plan.getByRole("row").allTextContents()).toContainEqual(
      expect.stringMatching(/a\.txt.*letters\/a\.txt/s),
    );
    expect(await bed.service.list()).toEqual([]);

    // Held until the page shows that it is under way.
    const held = bucket.inject({
      method: "putObject",
      hang: "before",
      when: (request) => request.key === "letters/b.txt",
    });
    await page.getByRole("button", { name: "Create upload" }).click();
    await page.getByRole("heading", { name: "letters" }).waitFor();
    await expectText(page, ".progress", /In progress/);
    await expect.poll(() => page.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("50");
    held.remove();
    await bed.service.pause("letters");
    await expectText(page, ".progress", /Paused/);
    await bed.service.resume("letters");
    await expectText(page, ".progress", /Completed/);
    await expectText(page, ".progress", /100%/);
    await expectText(page, ".progress", /2 of 2/);
  });

  test("is refused with the reason, and its fields say what is wrong with them", async () => {
    const bed = await serve();
    const page = await open("/new");
    await page.getByRole("button", { name: "Create upload" }).click();
    await page.getByText("This is needed.").first().waitFor();
    expect(await page.evaluate(() => document.activeElement?.getAttribute("name"))).toBe("source_folder");
    await page.getByLabel("Folder").fill("/etc");
    await page.getByLabel("Bucket", { exact: true }).fill(BUCKET);
    await page.getByText("When and how fast").click();
    await page.getByLabel("Bandwidth limit").fill("fast");
    await page.getByRole("button", { name: "Create upload" }).click();
    await page.getByText("Enter a size such as").waitFor();
    await page.getByLabel("Bandwidth limit").fill("2 MiB");
    await page.getByRole("button", { name: "Create upload" }).click();
    await page.getByRole("alert").getByText("/etc").waitFor();
    expect(await bed.service.list()).toEqual([]);
    await page.getByLabel("Folder").fill(bed.root);
    await page.getByRole("button", { name: "Create upload" }).click();
    await page.getByRole("region", { name: "Settings" }).getByText("2.00 MiB/s").waitFor();
  });
});

describe("a failure", () => {
  test("is seen as it happens, with its reason and timeline, and is mended by a retry", async () => {
    const bucket = weakBucket();
    const bed = await serve({ service: { objects: bucket.port } });
    const denied = bucket.inject({
      method: "putObject",
      times: Infinity,
      when: (request) => request.key.endsWith("bad.txt"),
      before: rejected,
    });
    await bed.write("in/good.txt");
    await bed.write("in/bad.txt");
    const page = await open("/activity");
    await page.getByText("Live").waitFor();
    await bed.create("in", { upload_id: "mixed" });
    await page.getByRole("button", { name: "Failures" }).click();
    await page.getByText("the store does not take it").first().waitFor();
    await page.getByRole("link", { name: "mixed" }).first().click();
    await expectText(page, ".progress", /Failed/);
    await page.getByRole("button", { name: /^Failed/ }).click();
    await page.getByRole("row", { name: /bad\.txt/ }).click();
    const drawer = page.getByRole("dialog");
    await drawer.getByText("Discovered", { exact: true }).first().waitFor();
    expect(await drawer.locator(".timeline li.tone-bad").textContent()).toMatch(/Failed.*attempt 1.*does not take it/s);
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "detached" });

    denied.remove();
    await page.getByRole("button", { name: "Retry failed" }).click();
    await expectText(page, ".progress", /Completed/);
    await page.getByRole("button", { name: "All", exact: true }).click();
    await page.getByRole("row", { name: /bad\.txt.*Uploaded/s }).waitFor();
  });
});

describe("steering", () => {
  test("pauses, resumes, adjusts, scans and cancels, asking first", async () => {
    const bed = await serve();
    await bed.write("in/one");
    await bed.create("in", { upload_id: "steered", mode: "watch", schedule: "manual" });
    const page = await open("/uploads/steered");
    await expectText(page, ".progress", /Completed/);
    await page.getByRole("button", { name: "Pause" }).click();
    await expectText(page, ".progress", /Paused/);
    await page.getByRole("button", { name: "Resume" }).click();
    await expectText(page, ".progress", /Completed/);

    await page.getByRole("button", { name: "Adjust" }).click();
    await page.getByRole("dialog").getByLabel("Priority").fill("7");
    await page.getByRole("dialog").getByLabel("Hours").fill("00:00-24:00");
    await page.getByRole("dialog").getByLabel("Scans").fill("5 min");
    // Somebody else is faster.
    await bed.service.adjust("steered", { priority: 3 });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("dialog").getByRole("alert").waitFor();
    await page.getByRole("button", { name: "Try again" }).click();
    await expect.poll(() => page.getByLabel("Priority").inputValue()).toBe("3");
    await page.getByLabel("Scans").fill("5 min");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("region", { name: "Settings" }).getByText("Every 5 min").waitFor();

    await bed.write("in/two");
    await page.getByRole("button", { name: "Scan now" }).click();
    await page.getByRole("row", { name: /two.*Uploaded/s }).waitFor();

    await page.getByRole("button", { name: "Cancel" }).click();
    const question = page.getByRole("dialog", { name: "Cancel steered?" });
    await question.getByRole("button", { name: "Keep it" }).click();
    expect((await bed.service.get("steered")).state).not.toBe("CANCELLED");
    await page.getByRole("button", { name: "Cancel" }).click();
    await question.getByRole("button", { name: "Cancel the upload" }).click();
    await expectText(page, ".progress", /Cancelled/);
    expect(await page.getByRole("button", { name: "Pause" }).count()).toBe(0);
  });

  test("the list follows what others do, and finds by text and state", async () => {
    const bed = await serve();
    await bed.write("in/one");
    const page = await open("/uploads");
    await page.getByText("No uploads yet").waitFor();
    await page.getByText("Live").waitFor();
    for (const id of ["first", "second"])
      await bed.create("in", { upload_id: id, mode: "watch", key_template: `${id}/{path}` });
    await page.getByRole("row", { name: /first.*Completed.*100%/s }).waitFor();
    await bed.service.pause("second");
    await page.getByRole("row", { name: /second.*Paused/s }).waitFor();
    await page.getByRole("button", { name: /^Paused/ }).click();
    await page.getByRole("row", { name: /first/ }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "All", exact: true }).click();
    await page.getByRole("searchbox").fill("FIRST");
    await page.getByRole("row", { name: /second/ }).waitFor({ state: "detached" });
    expect(await page.getByRole("row", { name: /first/ }).count()).toBe(1);
    await page.getByRole("searchbox").fill("nothing like it");
    await page.getByText("No upload matches").waitFor();
  });

  test("a service that is away is said to be; what went on meanwhile is read when it is back", async () => {
    const bed = await serve();
    await bed.write("in/one");
    await bed.create("in", { upload_id: "kept", mode: "watch" });
    const page = await open("/uploads/kept");
    await expectText(page, ".progress", /Completed/);
    await page.getByText("Live").waitFor();
    await bed.server.close();
    await page.getByText("The service does not answer.").waitFor();
    await bed.service.pause("kept");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("region", { name: "Messages" }).getByText("does not answer").waitFor();
    const again = await createServer({ service: bed.service, port: Number(new URL(bed.url).port) });
    try {
      await expectText(page, ".progress", /Paused/);
      await page.getByText("Live").waitFor();
    } finally {
      await again.close();
    }
  });
});
