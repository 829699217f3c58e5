import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { expectAccessible, withBrowser } from "../support/browser.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";

const { serve, open } = withBrowser();

const field = (page: Page) => page.getByLabel("Token");
const loginTitle = /^Log in/;

/** Past the login page. */
async function expectInside(page: Page): Promise<void> {
  await page.locator("#app > *").first().waitFor();
  await page.waitForLoadState();
}

test("one logs in by keyboard, is told of a wrong token, and leaves no trace of it", async () => {
  const bed = await serve({ server: { auth: AUTH } });
  const page = await open("/uploads?state=FAILED");
  expect(await page.title()).toMatch(loginTitle);
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("Enter a token.").waitFor();
  await page.keyboard.type(WRONG);
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("The token is not valid.").waitFor();
  expect(await field(page).getAttribute("aria-invalid")).toBe("true");
  await expect.poll(() => page.evaluate("document.activeElement?.id")).toBe("token");
  await expectAccessible(page);
  // What was wrong is selected, so that typing replaces it.
  await page.keyboard.type(ADMIN);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expectInside(page);
  expect(page.url()).toBe(`${bed.url}/#/uploads?state=FAILED`);
  const traces = "[{ ...localStorage }, { ...sessionStorage }, history.state, document.cookie, location.href]";
  const kept = await page.evaluate(`JSON.stringify(${traces})`);
  for (const token of [ADMIN, WRONG]) expect(kept).not.toContain(token);
  expect(kept).not.toContain("bucketline_session");
});

test("the login page is accessible in light and dark, and on a small screen", async () => {
  await serve({ server: { auth: AUTH } });
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await open("/", { colorScheme, viewport: { width: 320, height: 480 } });
    await expectAccessible(page);
    const scrolls = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
    expect(scrolls).toBe(false);
  }
});

test("too many wrong tokens are said to be too many", async () => {
  const bed = await serve({ server: { auth: AUTH } });
  const page = await open();
  for (let i = 0; i < 20; i += 1) await bed.call("/session", { body: { token: `${WRONG}-${i}` } });
  await field(page).fill(ADMIN);
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("Too many wrong credentials.").waitFor();
});

test("who is logged in and follows a link from another site arrives", async () => {
  const bed = await serve({ server: { auth: AUTH } });
  const page = await open();
  await field(page).fill(READER);
  await page.keyboard.press("Enter");
  await expectInside(page);
  const elsewhere = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(
      `<!doctype html><link rel="icon" href="data:,"><title>elsewhere</title><a href="${bed.url}/">there</a>`,
    );
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  try {
    await page.goto(`http://localhost:${(elsewhere.address() as AddressInfo).port}/`);
    await page.getByRole("link", { name: "there" }).click();
    await page.waitForURL(`${bed.url}/**`);
    await expectInside(page);
  } finally {
    elsewhere.closeAllConnections();
    await new Promise((resolve) => elsewhere.close(resolve));
  }
});

test("the documents of the API come through the login page, and their policies admit what they need", async () => {
  const bed = await serve({ server: { auth: AUTH } });
  const page = await open();
  await field(page).fill(READER);
  await page.keyboard.press("Enter");
  await expectInside(page);
  await page.goto(`${bed.url}/docs`);
  await page.locator(".opblock").first().waitFor();
  expect(await page.locator(".opblock").count()).toBeGreaterThan(10);
  await page.goto(`${bed.url}/redoc`);
  await page.getByRole("heading", { name: "Register an upload" }).first().waitFor();
});
