import { newFile, reduceFile, systemClock } from "@bucketline/core";
import { MemoryStateStore } from "@bucketline/core/testing";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { Bed } from "../../test/support/bed.ts";
import { withBrowser } from "../../test/support/browser.ts";

const { serve, open } = withBrowser();

const FILES = 100_000;
const BATCH = 5_000;

/** An upload at rest with so many files in the ledger, each hundredth of them failed. */
async function seed(bed: Bed): Promise<void> {
  await bed.write("in/.keep");
  const { id } = await bed.service.register({ id: "large", sourceFolder: `${bed.root}/in`, bucket: "bucket" });
  await bed.service.pause(id);
  const state = new MemoryStateStore({ clock: systemClock, state: bed.ledger });
  await state.open();
  for (let from = 0; from < FILES; from += BATCH) {
    const changes = Array.from({ length: BATCH }, (_, at) => ({ before: null, after: record(id, from + at) }));
    await state.commit(changes);
  }
  await state.close();
}

function record(uploadId: string, number: number) {
  const path = `${String(Math.floor(number / 1000)).padStart(3, "0")}/${String(number).padStart(6, "0")}.bin`;
  const file = newFile(
    { uploadId, path, key: `${uploadId}/${path}`, size: number, mtimeNs: 0n, fingerprint: `${number}` },
    0,
  );
  if (number % 100 !== 99) return file;
  const reason = { code: "OBJECT_REJECTED" as const, message: `The store does not take ${path}.` };
  return {
    ...reduceFile(
      reduceFile(file, { type: "claim", owner: "o" }, 0),
      { type: "fail", reason, nextAttemptAt: Number.MAX_SAFE_INTEGER },
      0,
    ),
    revision: 1,
  };
}

const rows = (page: Page) => page.locator(".grid-files .grid-body [role=row]");

async function heapOf(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  return usedSize;
}

/** Scrolls to the end of what is there, again and again, until as many rows can be scrolled to. */
async function scrollUntil(page: Page, wanted: number): Promise<void> {
  await page.evaluate(async (count) => {
    const body = () => document.querySelector(".grid-files .grid-body") as HTMLElement;
    const height = () => (body().firstElementChild as HTMLElement).offsetHeight;
    while (body().offsetHeight / height() < count) {
      scrollTo(0, document.documentElement.scrollHeight);
      await new Promise(requestAnimationFrame);
    }
    scrollTo(0, document.documentElement.scrollHeight);
  }, wanted);
}

describe("a hundred thousand files", () => {
  test("are scrolled through with no more rows and memory than a few pages take", { timeout: 120_000 }, async () => {
    const bed = await serve();
    await seed(bed);
    const page = await open("/uploads/large");
    await rows(page).first().waitFor();
    const most = await rows(page).count();
    expect(most).toBeLessThan(60);
    await scrollUntil(page, 10_000);
    const early = await heapOf(page);
    await scrollUntil(page, FILES);
    const late = await heapOf(page);
    expect(await rows(page).count()).toBeLessThan(60);
    expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(2_000);
    // What all records would take is far more: each is some 500 bytes in memory.
    expect(late - early).toBeLessThan(10_000_000);
    await page.getByRole("row", { name: /099999\.bin/ }).waitFor();

    // Pages that were dropped are read again.
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight / 2));
    await page
      .getByRole("row", { name: /05\d{4}\.bin|04\d{4}\.bin/ })
      .first()
      .waitFor();
    await page.evaluate(() => scrollTo(0, 0));
    await page.getByRole("row", { name: /000000\.bin/ }).waitFor();
  });

  test("are found by state and text", { timeout: 60_000 }, async () => {
    const bed = await serve();
    await seed(bed);
    const page = await open("/uploads/large");
    await page.getByRole("button", { name: /^Failed\s*1,000$/ }).click();
    await page.getByRole("row", { name: /000099\.bin.*OBJECT_REJECTED/s }).waitFor();
    expect(await page.getByRole("grid", { name: "Files" }).getAttribute("aria-rowcount")).toBe("1001");
    await page.getByRole("searchbox").fill("077/");
    await page.getByRole("row", { name: /077099\.bin/ }).waitFor();
    expect(await rows(page).count()).toBe(10);
    await page.getByRole("searchbox").fill("no such file");
    await page.getByText("No file matches").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByRole("row", { name: /000000\.bin/ }).waitFor();
  });
});

describe("hostile names", () => {
  const HOSTILE = [
    "<img src=x onerror=window.hit=1>.txt",
    "a\u202Egpj.exe",
    "line\nbreak\ttab.txt",
    "\u200Bzero\u200Dwidth",
    "\u001B[31mred.txt",
    `${"long-".repeat(40)}.bin`,
    "‮both‬ שלום abc.txt",
    "'\"`;alert(1)//",
    "\u0024{window.hit=1}",
    "{{constructor.constructor('window.hit=1')()}}",
    "&lt;script&gt;",
    "javascript:window.hit=1",
  ];

  test("are shown as what they are, and do nothing", async () => {
    const bed = await serve();
    for (const name of HOSTILE) await bed.write(`in/${name.replaceAll("/", "\u2215")}`);
    const page = await open("/activity");
    await page.getByText("Live").waitFor();
    await bed.create("in", { upload_id: "hostile" });
    await page.getByText("upload:completed").waitFor();
    await page.goto(`${bed.url}/#/uploads/hostile`);
    await rows(page)
      .nth(HOSTILE.length - 1)
      .waitFor();
    const shown = (await rows(page).locator(".path").allTextContents()).join("\n");
    for (const name of [
      "<img src=x onerror=window.hit=1>.txt",
      "U+202E",
      "line\\nbreak\\ttab.txt",
      "U+200B",
      "\\e[31mred.txt",
    ])
      expect(shown).toContain(name);
    expect(shown.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    for (const path of await rows(page).locator(".path").all())
      expect(
        await path.locator(":scope > *").evaluateAll((nodes) => nodes.every((node) => node.tagName === "BDI")),
      ).toBe(true);
    await page.getByRole("row", { name: /U\+202E.*gpj\.exe/ }).click();
    await page.getByRole("dialog").getByText("In the bucket").waitFor();
    expect(await page.getByRole("dialog").getByRole("heading", { level: 2 }).textContent()).toBe("aU+202Egpj.exe");
    expect(await page.evaluate(() => "hit" in window)).toBe(false);
    expect(await page.locator("main img, main script").count()).toBe(0);
  });
});
