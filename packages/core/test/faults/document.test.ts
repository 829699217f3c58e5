import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
const page = readFileSync(`${root}/docs/faults.md`, "utf8");
const rows = [...page.matchAll(/^\| (?!fault |---).*\|$/gm)].map(([row]) => row);

test("every row of docs/faults.md names a test that exists", () => {
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) {
    const [, name] = row.match(/`([\w./-]+\.test\.ts)` \|$/) ?? [];
    expect(name, row).toBeDefined();
    for (const [, named = ""] of row.matchAll(/`([\w./-]+\.test\.ts)`/g)) {
      expect(existsSync(named.includes("/") ? `${root}/${named}` : `${here}/${named}`), named).toBe(true);
    }
  }
});

test("every fault test has a row in docs/faults.md", () => {
  const files = readdirSync(here).filter((file) => file.endsWith(".test.ts") && file !== "document.test.ts");
  expect(files.length).toBeGreaterThan(5);
  for (const file of files) expect(page).toContain(`\`${file}\` |`);
});
