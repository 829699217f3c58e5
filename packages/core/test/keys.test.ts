import { describe, expect, test } from "vitest";
import { compileKeyTemplate, keyProblem } from "../src/keys.ts";
import { forSeeds } from "./support/random.ts";

const at = (iso: string) => BigInt(Date.parse(iso)) * 1_000_000n;
const key = (template: string, path: string, mtimeNs = 0n) => compileKeyTemplate(template, "id7").key(path, mtimeNs);

describe("key templates", () => {
  test.each([
    ["{id}/{path}", "a/b.txt", "id7/a/b.txt"],
    ["{path}", "a b\n.txt", "a b\n.txt"],
    ["x/{dir}/{name}{ext}", "a/b/c.tar.gz", "x/a/b/c.tar.gz"],
    ["{dir}/{name}{ext}", "top.txt", "top.txt"],
    ["x/{dir}/{name}", "top.txt", "x/top"],
    ["{name}|{ext}", ".bashrc", ".bashrc|"],
    ["{name}|{ext}", "a.", "a|."],
    ["{name}|{ext}", "..a", ".|.a"],
    ["{name}|{ext}", "no-dot", "no-dot|"],
    ["{name}|{ext}", "d.d/file", "file|"],
    ["{name}-{path}", "{id}", "{id}-{id}"],
    ["//{path}", "a", "a"],
  ])("%s of %s is %s", (template, path, expected) => {
    expect(key(template, path)).toBe(expected);
  });

  test.each([
    ["2026-02-03T23:59:59Z", "2026-02-03"],
    ["1970-01-01T00:00:00Z", "1970-01-01"],
    ["1969-12-31T23:59:59.999Z", "1969-12-31"],
    ["0001-05-06T00:00:00Z", "0001-05-06"],
  ])("%s gives the date %s", (iso, date) => {
    expect(key("{yyyy}-{mm}-{dd}/{name}", "a", at(iso))).toBe(`${date}/a`);
  });

  test("times around and far beyond the calendar still give a date of four-digit year", () => {
    expect(key("{yyyy}-{mm}-{dd}/{name}", "a", -1n)).toBe("1969-12-31/a");
    for (const mtimeNs of [-(2n ** 63n), 2n ** 63n, 2n ** 70n, -(2n ** 70n)]) {
      expect(key("{yyyy}-{mm}-{dd}/{name}", "a", mtimeNs)).toMatch(/^\d{4}-\d\d-\d\d\/a$/);
    }
  });

  test.each(["{pth}", "{}", "{path", "path}", "{id}", "{dir}/{ext}", "x", "{path}\ud800", "{path}\0", "{PATH}"])(
    "%j is refused",
    (template) => {
      expect(() => compileKeyTemplate(template, "id7")).toThrow(
        expect.objectContaining({ name: "InputError", code: "INVALID_KEY_TEMPLATE" }),
      );
    },
  );

  test("templates that say so never give two paths one key", async () => {
    await forSeeds(100, (dice) => {
      const pieces = ["{path}", "{id}", "/", "//", "x", "-", "{name}", "{dir}", "{ext}", "{yyyy}"];
      const template = `${dice.list(0, 3, () => dice.pick(pieces)).join("")}{path}${dice.list(0, 3, () => dice.pick(pieces)).join("")}`;
      const compiled = compileKeyTemplate(template, "i");
      if (!compiled.injective) return;
      const paths = new Set(
        dice.list(2, 60, () => dice.list(1, 3, () => dice.pick(["x", "-", "xx", "a", "i"])).join("/")),
      );
      expect(new Set([...paths].map((path) => compiled.key(path, 0n))).size).toBe(paths.size);
    });
  });

  test.each([
    ["{id}/{path}", true],
    ["p/{path}.bak", true],
    ["{dir}/{name}", false],
    ["{path}{path}", false],
    ["{yyyy}/{path}", false],
  ])("%s is injective: %s", (template, injective) => {
    expect(compileKeyTemplate(template, "i").injective).toBe(injective);
  });
});

describe("keyProblem", () => {
  test.each([
    ["a".repeat(1024), undefined],
    ["a".repeat(1025), "KEY_TOO_LONG"],
    ["é".repeat(512), undefined],
    [`${"é".repeat(512)}a`, "KEY_TOO_LONG"],
    ["😀".repeat(256), undefined],
    [`${"😀".repeat(256)}a`, "KEY_TOO_LONG"],
    ["", "INVALID_KEY_TEMPLATE"],
  ])("%#", (text, code) => {
    expect(keyProblem(text)?.code).toBe(code);
  });
});
