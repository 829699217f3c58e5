import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { Bed, type BedOptions } from "./bed.ts";
import { launchChromium, NO_CHROMIUM } from "./chromium.ts";

/** What a page complained of: errors, and what its Content-Security-Policy refused. */
const complaints = new WeakMap<Page, string[]>();

/** A browser for all tests of a file. Each test has a service, and pages of its own that must not complain. */
export function withBrowser() {
  let browser: Browser | undefined;
  let bed: Bed | undefined;
  const pages: Page[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
  });
  beforeEach((context) => context.skip(browser === undefined, NO_CHROMIUM));
  afterAll(() => browser?.close());
  afterEach(async () => {
    const heard = pages.flatMap((page) => complaints.get(page) ?? []);
    for (const page of pages.splice(0)) await page.context().close();
    await bed?.close();
    bed = undefined;
    expect(heard).toEqual([]);
  });
  return {
    async serve(options: BedOptions = {}): Promise<Bed> {
      bed = await Bed.open(options);
      return bed;
    },
    /** @param place what stands behind the # */
    async open(place = "/", options: BrowserContextOptions = {}): Promise<Page> {
      if (browser === undefined) throw new Error(NO_CHROMIUM);
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      const heard: string[] = [];
      complaints.set(page, heard);
      pages.push(page);
      page.on("pageerror", (error) => heard.push(String(error)));
      page.on("console", (message) => {
        // Answers that are refusals are told here as well.
        if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
          heard.push(message.text());
      });
      await page.goto(`${bed?.url}/#${place}`);
      return page;
    },
  };
}

/** Holds a page against the rules for accessibility that a program can check. */
export async function expectAccessible(page: Page): Promise<void> {
  // Colours are measured when nothing moves any more.
  await page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {})))");
  const { violations } = await new AxeBuilder({ page }).options({ resultTypes: ["violations"] }).analyze();
  const found = violations.map(({ id, nodes }) => ({
    id,
    where: nodes.map(({ target, failureSummary }) => [target, failureSummary]),
  }));
  expect(found).toEqual([]);
}

/** Text of the first element that matches, until it is as wanted. */
export async function expectText(page: Page, selector: string, wanted: RegExp): Promise<void> {
  await expect
    .poll(async () => await page.locator(selector).first().textContent(), { timeout: 15_000 })
    .toMatch(wanted);
}
