import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Bed } from "./support/bed.ts";
import { launchChromium, NO_CHROMIUM } from "./support/chromium.ts";

let browser: Browser | undefined;
let bed: Bed;
beforeAll(async () => {
  browser = await launchChromium();
  bed = await Bed.open();
});
beforeEach((context) => context.skip(browser === undefined, NO_CHROMIUM));
afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await bed?.close();
});

interface Visit {
  readonly page: Page;
  /** Addresses that were asked for, of other origins. */
  readonly foreign: string[];
  /** Errors in the page, and what its policy refused. */
  readonly complaints: string[];
}

async function visit(path: string): Promise<Visit> {
  if (browser === undefined) throw new Error(NO_CHROMIUM);
  const page = await (await browser.newContext()).newPage();
  const foreign: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== bed.url) foreign.push(request.url());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(`${bed.url}${path}`);
  return { page, foreign, complaints };
}

test.each(["/docs", "/docs/"])(
  "Swagger UI shows the routes, asks nobody else, and keeps to the policy: %s",
  async (path) => {
    const { page, foreign, complaints } = await visit(path);
    await page.locator("#operations-uploads-createUpload").waitFor();
    expect(await page.locator(".opblock").count()).toBeGreaterThan(20);
    await page.locator("#operations-uploads-listUploads .opblock-summary-control").click();
    await page.locator("#operations-uploads-listUploads .try-out__btn").click();
    await page.locator("#operations-uploads-listUploads .execute").click();
    await page
      .locator("#operations-uploads-listUploads .live-responses-table .response-col_status", { hasText: "200" })
      .waitFor();
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
  },
);

test.each(["/redoc", "/redoc/"])(
  "ReDoc shows the routes, asks nobody else, and keeps to the policy: %s",
  async (path) => {
    const { page, foreign, complaints } = await visit(path);
    await page.getByRole("heading", { name: "Register an upload" }).waitFor();
    await page.getByPlaceholder("Search...").fill("timeline");
    await page.locator("[role=search] [role=menuitem]").first().waitFor();
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
  },
);
