import { describe, expect, test } from "vitest";
import type { Setting } from "../../src/config/setting.ts";
import { SETTING_NAMES, settingOf } from "../../src/config/settings.ts";
import { ledgerOf, maskPasswords, readAmount, readWords, showValue, ValueProblem } from "../../src/config/values.ts";

const setting = (kind: string, more: object = {}) =>
  ({ kind, path: "x", env: [], summary: "x", least: 0, ...more }) as unknown as Setting;

describe("a text is read as", () => {
  test.each([
    ["duration", "60", 60_000],
    ["duration", "90s", 90_000],
    ["duration", "5m", 300_000],
    ["duration", "1.5h", 5_400_000],
    ["duration", "250ms", 250],
    ["duration", "2 d", 172_800_000],
    ["size", "8388608", 8_388_608],
    ["size", "8MiB", 8_388_608],
    ["size", "8 mib", 8_388_608],
    ["size", "8MB", 8_000_000],
    ["size", "1.5GiB", 1_610_612_736],
    ["count", "12", 12],
    ["switch", "Yes", true],
    ["switch", "0", false],
    ["list", "a, b,,c", ["a", "b", "c"]],
    ["folders", "/a:/b c", ["/a", "/b c"]],
    ["text", " as it is ", " as it is "],
  ])("%s %j", (kind, text, value) => {
    expect(readWords(setting(kind), text)).toEqual(value);
  });
});

describe("is refused as", () => {
  test.each([
    ["duration", "soon"],
    ["duration", "-1"],
    ["duration", "5 parsecs"],
    ["duration", "1e3"],
    ["duration", ""],
    ["size", "8 MiB/s"],
    ["size", "constructor"],
    ["size", "99999999TiB"],
    ["count", "1.5"],
    ["count", "0x10"],
    ["switch", "maybe"],
    ["list", " , "],
    ["text", "a\0b"],
    ["ledger", "mysql://x"],
    ["ledger", "sqlite:"],
  ])("%s %j", (kind, text) => {
    expect(() => readWords(setting(kind), text)).toThrow(ValueProblem);
  });

  test("what is outside its range", () => {
    const port = setting("count", { least: 1, most: 65_535 });
    expect(() => readWords(port, "0")).toThrow("from 1 to 65535");
    expect(() => readWords(port, "65536")).toThrow("from 1 to 65535");
    expect(() => readAmount(setting("duration", { least: 1 }) as Setting & { kind: "duration" }, 0)).toThrow(
      "a duration",
    );
  });
});

test.each(SETTING_NAMES.map(settingOf))("the default of $path can be read back as it is shown", (one) => {
  if (one.fallback === undefined) return expect(one.otherwise, "what is in force instead").toBeTruthy();
  expect(readWords(one, showValue(one, one.fallback))).toEqual(one.fallback);
});

test("no two settings share a path, a variable or a flag", () => {
  const settings = SETTING_NAMES.map(settingOf);
  for (const names of [
    settings.map(({ path }) => path),
    settings.flatMap(({ env }) => env),
    settings.flatMap(({ flag = [] }) => flag),
  ])
    expect(names).toEqual([...new Set(names)]);
});

test.each([
  ["sqlite:///./data/uploads.db", { kind: "sqlite", path: "./data/uploads.db" }],
  ["sqlite:///../x.db", { kind: "sqlite", path: "../x.db" }],
  ["sqlite:///srv/x.db", { kind: "sqlite", path: "/srv/x.db" }],
  ["sqlite:x.db", { kind: "sqlite", path: "x.db" }],
  ["json:./state.json", { kind: "json", path: "./state.json" }],
  ["postgres://a@b/c", { kind: "postgres", url: "postgres://a@b/c" }],
  ["postgresql://a@b/c", { kind: "postgres", url: "postgresql://a@b/c" }],
  ["http://a@b/c", undefined],
])("%s names the ledger %j", (url, place) => {
  expect(ledgerOf(url)).toEqual(place);
});

test.each([
  ["postgres://user:secret@host/db", "postgres://user:********@host/db"],
  ["postgres://user:se@cr:et/@host/db", "postgres://user:********@host/db"],
  ["postgres://:secret@host/db", "postgres://:********@host/db"],
  ["postgres://host/db?user=a&password=secret&x=1", "postgres://host/db?user=a&password=********&x=1"],
  ["postgres://host:5432/db", "postgres://host:5432/db"],
  ["sqlite:/srv/a@b.db", "sqlite:/srv/a@b.db"],
  ["https://s3.example.net", "https://s3.example.net"],
])("%s is shown as %s", (url, shown) => {
  expect(maskPasswords(url)).toBe(shown);
});
