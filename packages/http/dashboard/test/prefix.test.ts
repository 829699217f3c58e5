import { expect, test } from "vitest";
import { withBrowser } from "../../test/support/browser.ts";
import { ADMIN, AUTH } from "../../test/support/credentials.ts";

const { serve, open } = withBrowser();

test("below a prefix: log in, create an upload, watch it finish live, read the documents, log out", async () => {
  const bed = await serve({ server: { prefix: "/tools/uploads", auth: AUTH } });
  await bed.write("in/one");
  const page = await open("/new");
  const elsewhere: string[] = [];
  page.on("request", (request) => {
    const { pathname, protocol } = new URL(request.url());
    if (protocol === "http:" && !pathname.startsWith("/tools/uploads/")) elsewhere.push(request.url());
  });
  await page.getByLabel("Token").fill(ADMIN);
  await page.keyboard.press("Enter");
  await page.getByLabel("Folder", { exact: true }).fill(`${bed.root}/in`);
  await page.getByLabel("Bucket", { exact: true }).fill("bucket");
  await page.getByRole("button", { name: "Create upload" }).click();
  await page.getByText("Live").waitFor();
  await page.getByRole("row", { name: /one.*Uploaded/s }).waitFor();
  await page.reload();
  await page.getByRole("row", { name: /one.*Uploaded/s }).waitFor();

  const documents = await page.context().newPage();
  await documents.goto(`${bed.url}/docs`);
  await documents.getByRole("heading", { name: /Bucketline/ }).waitFor();
  await documents.locator(".opblock-summary-path", { hasText: "/api/v1/uploads" }).first().waitFor();
  await documents.goto(`${bed.url}/redoc`);
  await documents
    .getByRole("heading", { name: /Bucketline/ })
    .first()
    .waitFor();

  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token").waitFor();
  expect(elsewhere).toEqual([]);
});

test("whom the host knows has a name, and nothing to log out of", async () => {
  const authenticate = () => ({ name: "ada of the shop", scopes: ["admin"] as const });
  const bed = await serve({ server: { prefix: "/shop/uploads", auth: { authenticate } } });
  await bed.write("in/one");
  await bed.service.register({ id: "hosted", sourceFolder: `${bed.root}/in`, bucket: "bucket" });
  const page = await open("/uploads/hosted");
  await page.getByText("ada of the shop").first().waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  expect(await page.getByRole("button", { name: "Log out" }).count()).toBe(0);
});
