import { expect, test } from "vitest";
import { expectAccessible, withBrowser } from "../../test/support/browser.ts";
import { ADMIN, AUTH, READER, WRONG } from "../../test/support/credentials.ts";

const { serve, open } = withBrowser();

async function logIn(page: Awaited<ReturnType<typeof open>>, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
}

test("a browser logs in with a token, stays where it was going, and logs out", async () => {
  const bed = await serve({ server: { auth: AUTH } });
  await bed.write("in/one");
  await bed.service.register({ id: "guarded", sourceFolder: `${bed.root}/in`, bucket: "bucket", mode: "once" });
  const page = await open("/uploads/guarded");
  await logIn(page, WRONG);
  await page.getByText(/not valid/i).waitFor();
  await logIn(page, ADMIN);
  await page.getByRole("heading", { name: "guarded" }).waitFor();
  await page.getByText("Live").waitFor();
  await page.getByText("ops").first().waitFor();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token").waitFor();
  expect((await page.context().request.get(`${bed.url}/api/v1/uploads`)).status()).toBe(401);
});

test("a session that has ended leads back to the log-in page", async () => {
  const bed = await serve({ server: { auth: AUTH } });
  const page = await open("/uploads");
  await logIn(page, ADMIN);
  await page.getByText("No uploads yet").waitFor();
  await page.context().clearCookies();
  await page.getByRole("link", { name: "New upload" }).first().click();
  await page.getByLabel("Token").waitFor();
  expect(bed.url).toBe(new URL(page.url()).origin);
});

test("whoever may only read sees everything, and no button that would be refused", async () => {
  const bed = await serve({ server: { auth: AUTH } });
  await bed.write("in/one");
  await bed.service.register({ id: "seen", sourceFolder: `${bed.root}/in`, bucket: "bucket" });
  const page = await open("/uploads");
  await logIn(page, READER);
  await page.getByText("read only").waitFor();
  await page.getByRole("row", { name: /seen/ }).waitFor();
  expect(await page.getByRole("link", { name: "New upload" }).count()).toBe(0);
  await page.getByRole("row", { name: /seen/ }).click();
  await page.getByRole("row", { name: /one.*Uploaded/s }).waitFor();
  for (const name of ["Pause", "Scan now", "Adjust", "Cancel", "Retry failed"])
    expect(await page.getByRole("button", { name }).count(), name).toBe(0);
  await page.goto(`${bed.url}/#/service`);
  await page.getByRole("region", { name: "Limits of all uploads" }).getByText("No limit").waitFor();
  expect(await page.getByRole("button", { name: "Change" }).count()).toBe(0);
  await page.goto(`${bed.url}/#/new`);
  await page.getByRole("heading", { name: "Uploads" }).waitFor();
  await expectAccessible(page);
});
