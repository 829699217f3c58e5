import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { Bed } from "../../test/support/bed.ts";
import { expectAccessible, expectText, withBrowser } from "../../test/support/browser.ts";
import { AUTH } from "../../test/support/credentials.ts";
import { rejected, weakBucket } from "./weak-bucket.ts";

const { serve, open } = withBrowser();

const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 360, height: 740 };

/** Uploads in several states, one of them with files in several. */
async function furnished(): Promise<Bed> {
  const bucket = weakBucket();
  const bed = await serve({ service: { objects: bucket.port } });
  bucket.inject({
    method: "putObject",
    times: Infinity,
    when: ({ key }) => key === "photos/two.txt",
    before: rejected,
  });
  for (const name of ["one.txt", "two.txt", "‮three.txt"]) await bed.write(`in/${name}`);
  for (const [id, key] of [
    ["photos", "{id}/{path}"],
    ["letters", "letters/{path}"],
  ])
    await bed.create("in", { upload_id: id, key_template: key, mode: "watch" });
  await expect.poll(async () => (await bed.service.get("photos")).state).toBe("FAILED");
  await bed.service.pause("letters");
  return bed;
}

const VIEWS: readonly (readonly [place: string, ready: string])[] = [
  ["/uploads", ".grid-uploads .grid-body [role=row]:nth-child(2)"],
  ["/uploads/photos", ".grid-files .grid-body [role=row]"],
  ["/uploads/letters", ".grid-files .grid-body [role=row]"],
  ["/uploads/nobody", ".trouble"],
  ["/new", ".form"],
  ["/activity", ".empty"],
  ["/webhooks", ".empty"],
  ["/service", ".health .facts"],
];

async function visit(page: Page, [place, ready]: readonly [string, string]): Promise<void> {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, place);
  await page.locator(ready).first().waitFor();
}

for (const colorScheme of ["light", "dark"] as const) {
  describe(`in the ${colorScheme}`, () => {
    // Colours do not depend on the width.
    test.each(colorScheme === "light" ? [WIDE, NARROW] : [WIDE])(
      "every view is accessible at a width of $width",
      { timeout: 90_000 },
      async (viewport) => {
        await furnished();
        const page = await open("/uploads", { colorScheme, viewport, reducedMotion: "reduce" });
        for (const view of VIEWS) {
          await visit(page, view);
          await expectAccessible(page);
          const { scroll, width } = await page.evaluate(() => ({
            scroll: document.documentElement.scrollWidth,
            width: innerWidth,
          }));
          expect(scroll, view[0]).toBeLessThanOrEqual(width);
        }
      },
    );

    test("dialogs, the drawer, the plan and messages are accessible", { timeout: 60_000 }, async () => {
      const bed = await furnished();
      const page = await open("/uploads/photos", { colorScheme });
      await page.getByRole("row", { name: /two\.txt/ }).click();
      await page.getByRole("dialog").locator(".timeline li").first().waitFor();
      await expectAccessible(page);
      await page.keyboard.press("Escape");
      for (const name of ["Adjust", "Cancel"]) {
        await page.getByRole("button", { name }).click();
        await page.getByRole("dialog").getByRole("button").nth(1).waitFor();
        await expectAccessible(page);
        await page.keyboard.press("Escape");
      }
      await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
      await expectAccessible(page);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByRole("region", { name: "Messages" }).getByText("Paused photos").waitFor();
      await page.getByText("All settings").click();
      await expectAccessible(page);
      await page.goto(`${bed.url}/#/new`);
      await page.getByLabel("Folder").fill(`${bed.root}/in`);
      await page.getByLabel("Bucket", { exact: true }).fill("bucket");
      for (const fold of ["Which files", "Objects", "When and how fast"])
        await page.getByText(fold, { exact: true }).click();
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByRole("region", { name: "What would happen" }).waitFor();
      await expectAccessible(page);
    });

    test("the log-in page is accessible", async () => {
      await serve({ server: { auth: AUTH } });
      await expectAccessible(await open("/", { colorScheme }));
    });
  });
}

test("the theme follows the system, can be chosen, and is kept", async () => {
  await serve();
  const page = await open("/uploads", { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: "Theme: system" }).click();
  await page.getByRole("button", { name: "Theme: light" }).waitFor();
  const light = await ground();
  expect(light).not.toBe(dark);
  await page.reload();
  await page.getByRole("button", { name: "Theme: light" }).waitFor();
  expect(await ground()).toBe(light);
  await page.getByRole("button", { name: "Theme: light" }).click();
  await page.getByRole("button", { name: "Theme: dark" }).waitFor();
  expect(await ground()).toBe(dark);
});

test("everything can be done with the keyboard alone", { timeout: 60_000 }, async () => {
  const bed = await furnished();
  const page = await open("/uploads");
  await page.locator(".grid-uploads .grid-body [role=row]").nth(1).waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  const press = async (...keys: readonly string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await press("Tab");
  expect(await focused()).toBe("Skip to content");
  await press("Enter");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");

  // One stop for the whole table; arrows from there.
  await press("/");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("search");
  await press("Tab");
  expect(await focused()).toMatch(/letters/);
  await press("ArrowDown");
  expect(await focused()).toMatch(/photos/);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
  expect(outline).toBe("solid");
  await press("Home", "ArrowUp");
  expect(await focused()).toMatch(/letters/);
  await press("End", "Enter");
  await page.getByRole("heading", { name: "photos" }).waitFor();
  await page.locator(".grid-files .grid-body [role=row]").first().waitFor();

  // A file's drawer takes the focus, and gives it back.
  await press("/", "Tab");
  await press("ArrowDown");
  const file = await focused();
  await press("Enter");
  await page.getByRole("dialog").locator(".timeline li").first().waitFor();
  expect(await page.evaluate(() => document.activeElement?.closest("dialog") !== null)).toBe(true);
  for (let presses = 0; presses < 6; presses += 1) {
    await press("Tab");
    // It may go to the browser's own controls, but to nothing behind the dialog.
    expect(await page.evaluate(() => document.activeElement?.matches("body, dialog, dialog *"))).toBe(true);
  }
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await focused()).toBe(file);

  // Asked before something is cancelled, whoever presses Enter keeps it.
  await page.getByRole("button", { name: "Cancel" }).focus();
  await press("Enter");
  await page.getByRole("dialog", { name: "Cancel photos?" }).waitFor();
  expect(await focused()).toBe("Keep it");
  await press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect((await bed.service.get("photos")).state).not.toBe("CANCELLED");

  await press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await press("Escape", "n");
  await page.getByRole("heading", { name: "New upload" }).waitFor();
  await page.getByLabel("Folder").focus();
  await page.keyboard.type(`${bed.root}/in`);
  await press("Tab", "Tab");
  await page.getByLabel("Bucket", { exact: true }).focus();
  await page.keyboard.type("bucket");
  await press("Tab");
  await page.keyboard.type("typed");
  await press("Enter");
  await page.getByRole("heading", { name: "typed" }).waitFor();
  await expectText(page, ".progress", /Completed/);
  for (const [key, title] of [
    ["u", "Uploads"],
    ["a", "Activity"],
    ["w", "Webhooks"],
    ["s", "Service"],
  ] as const) {
    await press(key);
    await page.getByRole("heading", { name: title, level: 1 }).waitFor();
  }
});

test("a screen reader is told of what ends, and not of every figure", async () => {
  const bed = await serve();
  for (let number = 0; number < 50; number += 1) await bed.write(`in/${number}`);
  const page = await open("/uploads");
  await page.getByText("Live").waitFor();
  await page.evaluate(() => {
    const { dataset } = document.documentElement;
    const region = document.querySelector(".spoken");
    if (!region) throw new Error("Nothing is spoken.");
    new MutationObserver(() => {
      dataset.said = `${dataset.said ?? ""}|${region.textContent}`;
    }).observe(region, { childList: true, characterData: true, subtree: true });
  });
  await bed.create("in", { upload_id: "told" });
  const said = () => page.evaluate(() => document.documentElement.dataset.said ?? "");
  await expect.poll(said, { timeout: 15_000 }).toMatch(/told: Completed/);
  expect((await said()).split("|").length).toBeLessThanOrEqual(3);
});
