import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { defineStep } from "@bucketline/core";
import { expect, test } from "vitest";
import { BUCKET } from "../../test/support/bed.ts";
import { expectAccessible, withBrowser } from "../../test/support/browser.ts";

const { serve, open } = withBrowser();

const noScripts = defineStep({
  name: "no-scripts",
  check: async ({ path }) => ({ accepted: !path.endsWith(".sh"), message: "Scripts are not taken." }),
});
const doubled = defineStep({
  name: "doubled",
  keySuffix: ".twice",
  transform: () => ({
    stream: async function* (input) {
      for await (const chunk of input) yield Buffer.concat([chunk, chunk]);
    },
  }),
});
const service = { pipelines: { intake: [noScripts, doubled] } };

test.each(["light", "dark"] as const)("a file's timeline shows its steps (%s)", async (colorScheme) => {
  const bed = await serve({ service });
  await bed.write("in/install.sh", "12345");
  await bed.write("in/photo.jpg", "12345");
  await bed.create("in", { upload_id: "u", pipeline: "intake" });
  await bed.service.finished("u").catch(() => {});
  const page = await open("/uploads/u", { colorScheme });
  await page.getByText("intake").waitFor();
  await page.getByRole("row", { name: /install\.sh/ }).click();
  const timeline = page.getByRole("dialog").locator(".timeline");
  await timeline.getByText("Rejected by no-scripts").waitFor();
  expect(await timeline.textContent()).toContain("Scripts are not taken.");
  expect(await timeline.textContent()).not.toContain("Transformed");
  await page.getByText("Rejected, not broken").waitFor();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("row", { name: /photo\.jpg/ }).click();
  await timeline.getByText("Transformed by doubled").waitFor();
  expect(await timeline.textContent()).toMatch(/Passed no-scripts.*Transformed by doubled.*5 B → 10 B/s);
});

test("a new upload goes through a pipeline, and its files are moved", async () => {
  const bed = await serve({ service });
  await bed.write("in/photo.jpg");
  const sent = join(bed.root, "sent");
  mkdirSync(sent);
  const page = await open("/new");
  await page.getByLabel("Folder").fill(join(bed.root, "in"));
  await page.getByLabel("Bucket", { exact: true }).fill(BUCKET);
  await page.getByLabel("Name").fill("moved");
  await page.getByLabel("Pipeline").selectOption("intake");
  await page.getByLabel("After the upload").selectOption("move");
  await page.getByLabel("Move to").fill(sent);
  await expectAccessible(page);
  await page.getByRole("button", { name: "Create upload" }).click();
  await page.getByRole("heading", { name: "moved" }).waitFor();
  const { spec } = await bed.service.get("moved");
  expect(spec).toMatchObject({ pipeline: "intake", keySuffix: ".twice", afterUpload: { moveTo: sent }, drop: null });
});

test.each([
  ["", null],
  ["30 d", 30 * 86_400_000],
])("a new drop folder keeps what is done for %j", async (typed, retention) => {
  const bed = await serve();
  await bed.write("in/.keep");
  const page = await open("/new");
  await page.getByLabel("Folder").fill(join(bed.root, "in"));
  await page.getByLabel("Bucket", { exact: true }).fill(BUCKET);
  await page.getByLabel("Name").fill("dropped");
  await page.getByLabel("After the upload").selectOption("drop");
  await page.getByLabel("Keep what is done for").fill(typed);
  await page.getByRole("button", { name: "Create upload" }).click();
  await page.getByRole("heading", { name: "dropped" }).waitFor();
  expect((await bed.service.get("dropped")).spec).toMatchObject({ drop: { retention }, afterUpload: "keep" });
});
