// Takes the pictures in docs/images: node --conditions=@bucketline/source packages/http/dashboard/test/screenshots.ts

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { setup } from "../../test/global-setup.ts";
import { launchChromium, NO_CHROMIUM } from "../../test/support/chromium.ts";
import { Scene } from "./scene.ts";

const FOLDER = fileURLToPath(new URL("../../../../docs/images/", import.meta.url));
/** Stands for the temporary folder of the scene. */
const ROOT = "/srv";

interface Picture {
  readonly name: string;
  readonly place: string;
  readonly dark?: boolean;
  readonly width?: number;
  readonly height?: number;
  /** What is done before it is taken. */
  readonly act?: (page: Page) => Promise<void>;
}

const FIRST: readonly Picture[] = [
  { name: "dashboard-light", place: "/uploads", act: underWay },
  { name: "dashboard-dark", place: "/uploads", dark: true, act: underWay },
  { name: "upload", place: "/uploads/photo-archive", height: 860, act: underWay },
  { name: "narrow", place: "/uploads", width: 390, height: 800, act: underWay },
];

const LATER: readonly Picture[] = [
  {
    name: "failures",
    place: "/uploads/statements?state=FAILED",
    act: async (page) => {
      await page.getByRole("row", { name: /statement-03/ }).click();
      await page.getByRole("dialog").locator(".timeline li").first().waitFor();
    },
  },
  {
    name: "create",
    place: "/new",
    height: 900,
    act: async (page) => {
      await page.getByLabel("Folder").fill(`${ROOT}/finance/inbox`);
      await page.getByLabel("Bucket", { exact: true }).fill("bucket");
      await page.getByLabel("Name").fill("invoices");
      await page.getByLabel("Pattern").fill("*.pdf");
      await page.getByLabel("Key", { exact: true }).fill("invoices/{yyyy}/{path}");
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByRole("region", { name: "What would happen" }).waitFor();
    },
  },
  {
    name: "webhooks",
    place: "/webhooks",
    dark: true,
    height: 640,
    act: (page) => page.getByText("Deliver again").waitFor(),
  },
  { name: "service", place: "/service", height: 640, act: (page) => page.getByText("Ready").waitFor() },
];

async function underWay(page: Page): Promise<void> {
  await page.getByText("MiB/s").first().waitFor();
  await page.waitForFunction(() => Number(document.querySelector(".tone-active[role=progressbar]")?.ariaValueNow) > 20);
}

/** Without what differs from one run to the next. */
function shown(text: string, root: string): string {
  return text.replaceAll(root, ROOT).replaceAll(/http:\/\/127\.0\.0\.1:\d+\/hook/g, "https://hooks.example/bucketline");
}

async function take(browser: Browser, scene: Scene, picture: Picture): Promise<void> {
  const { name, place, dark = false, width = 1280, height = 720, act } = picture;
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    deviceScaleFactor: 1.25,
  });
  await page.route("**/api/v1/**", async (route) => {
    if (route.request().url().endsWith("/events")) return await route.continue();
    const body = route.request().postData()?.replaceAll(ROOT, scene.bed.root);
    const response = await route.fetch(body === undefined ? {} : { postData: body });
    await route.fulfill({ response, body: shown(await response.text(), scene.bed.root) });
  });
  await page.goto(`${scene.bed.url}/#${place}`);
  await act?.(page);
  await page.screenshot({ path: `${FOLDER}${name}.png` });
  await page.close();
}

await setup();
await mkdir(FOLDER, { recursive: true });
const browser = await launchChromium();
if (browser === undefined) throw new Error(NO_CHROMIUM);
const scene = await Scene.open();
await scene.sendPhotos();
for (const picture of [...FIRST, ...LATER]) await take(browser, scene, picture);
await browser.close();
await scene.close();
