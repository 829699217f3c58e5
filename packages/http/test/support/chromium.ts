import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** What tests of pages say when they are skipped; in CI that fails the run. */
export const NO_CHROMIUM = "needs Chromium: install the package chromium, or name the program in CHROMIUM";

/** @returns undefined when there is no browser on this machine */
export async function launchChromium(): Promise<Browser | undefined> {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find((path) => existsSync(path));
  if (executablePath === undefined) return undefined;
  return await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
}
