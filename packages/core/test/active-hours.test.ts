import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { activeHoursProblem, isActive, nextActive } from "../src/active-hours.ts";

/** A time of the week of Sunday, 4 January 2026, by local time. */
const at = (day: number, hours: number, minutes = 0) => new Date(2026, 0, 4 + day, hours, minutes).getTime();
const SUN = 0;
const MON = 1;
const FRI = 5;
const SAT = 6;

describe("hours", () => {
  test.each([
    [
      "22:00-06:00",
      [at(MON, 22), at(MON, 23, 59), at(MON, 0), at(MON, 5, 59)],
      [at(MON, 6), at(MON, 12), at(MON, 21, 59)],
    ],
    ["09:00-17:30", [at(SUN, 9), at(SAT, 17, 29)], [at(SUN, 8, 59), at(SAT, 17, 30)]],
    ["00:00-24:00", [at(MON, 0), at(MON, 23, 59)], []],
    ["mon-fri 09:00-17:00", [at(MON, 9), at(FRI, 16, 59)], [at(SUN, 12), at(SAT, 12), at(FRI, 17)]],
    ["Fri 18:00-08:00", [at(FRI, 18), at(SAT, 7, 59)], [at(FRI, 7), at(SAT, 8), at(SAT, 18)]],
    ["SAT 22:00-02:00", [at(SAT, 23), at(SUN, 1, 59)], [at(SAT, 1), at(SUN, 22)]],
    ["Fri-Mon 10:00-11:00", [at(FRI, 10), at(SAT, 10), at(SUN, 10), at(MON, 10)], [at(2, 10), at(4, 10)]],
    ["08:00-09:00,12:00-13:00 , sun 20:00-21:00", [at(MON, 8), at(MON, 12), at(SUN, 20)], [at(MON, 20), at(MON, 10)]],
    ["9:00-10:00", [at(MON, 9)], [at(MON, 10)]],
  ])("%s", (hours, inside, outside) => {
    expect(activeHoursProblem(hours)).toBeUndefined();
    expect(inside.map((time) => isActive(hours, time))).toEqual(inside.map(() => true));
    expect(outside.map((time) => isActive(hours, time))).toEqual(outside.map(() => false));
  });

  test("null is always", () => {
    expect([isActive(null, 0), nextActive([null, null], 12_345)]).toEqual([true, 12_345]);
  });

  test.each([
    ["", "is no time"],
    ["22-06", "is no time"],
    ["22:00", "is no time"],
    ["Mon-Fri", "is no time"],
    ["25:00-26:00", "is no time of a day"],
    ["22:60-23:00", "is no time of a day"],
    ["24:01-02:00", "is no time of a day"],
    ["xyz 10:00-11:00", "days are"],
    ["mon-xyz 10:00-11:00", "days are"],
    ["10:00-11:00,", "is no time"],
    ["10:00-10:00", "begins when it ends"],
    ["24:00-00:00", "begins when it ends"],
    ["24:00-24:00", "begins when it ends"],
  ])("%s is refused", (hours, problem) => {
    expect(activeHoursProblem(hours)).toContain(problem);
  });
});

describe("when they begin", () => {
  test("inside: now; outside: at the full minute", () => {
    expect(nextActive(["22:00-06:00"], at(MON, 23, 10) + 1_234)).toBe(at(MON, 23, 10) + 1_234);
    expect(nextActive(["22:00-06:00"], at(MON, 12) + 1_234)).toBe(at(MON, 22));
    expect(nextActive(["sun 10:00-11:00"], at(SUN, 11))).toBe(at(7, 10));
  });

  test("of several: when all are open", () => {
    expect(nextActive(["22:00-06:00", "05:00-07:00"], at(MON, 6, 30))).toBe(at(2, 5));
    expect(nextActive(["mon 00:00-24:00", "23:00-01:00"], at(FRI, 12))).toBe(at(8, 0));
    expect(nextActive(["22:00-23:00", "05:00-07:00"], at(MON, 6))).toBeUndefined();
  });
});

/** What the module says in another time zone, which only a new process has. */
function inZone<T>(zone: string, expression: string): T {
  const code = `import { isActive, nextActive } from "./active-hours.ts";
const at = (iso) => new Date(iso).getTime();
process.stdout.write(JSON.stringify(${expression}));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: new URL("../src/", import.meta.url),
    env: { ...process.env, TZ: zone },
    encoding: "utf8",
  });
  return JSON.parse(output) as T;
}

describe("when the clocks change, local time counts", () => {
  test("forward: the hour that is left out is not waited for, and the night is an hour shorter", () => {
    // Berlin, 29 March 2026: 01:59:59 +01:00 is followed by 03:00:00 +02:00.
    const [begins, ends, left, skipped] = inZone<unknown[]>(
      "Europe/Berlin",
      `[
        nextActive(["22:00-06:00"], at("2026-03-28T12:00:00Z")),
        [isActive("22:00-06:00", at("2026-03-29T03:59:00Z")), isActive("22:00-06:00", at("2026-03-29T04:00:00Z"))],
        [isActive("02:00-03:00", at("2026-03-29T00:59:59Z")), isActive("02:00-03:00", at("2026-03-29T01:00:00Z"))],
        [nextActive(["02:00-03:00"], at("2026-03-28T12:00:00Z")), nextActive(["sun 02:00-03:00"], at("2026-03-28T12:00:00Z"))],
      ]`,
    );
    expect(begins).toBe(Date.parse("2026-03-28T21:00:00Z"));
    expect(ends).toEqual([true, false]);
    expect(left).toEqual([false, false]);
    expect(skipped).toEqual([Date.parse("2026-03-30T00:00:00Z"), Date.parse("2026-04-05T00:00:00Z")]);
  });

  test("back: the hour that comes twice is inside twice", () => {
    // New York, 1 November 2026: 01:59:59 -04:00 is followed by 01:00:00 -05:00.
    const [twice, begins] = inZone<unknown[]>(
      "America/New_York",
      `[
        ["05:30", "06:30", "07:00"].map((time) => isActive("01:00-02:00", at("2026-11-01T" + time + ":00Z"))),
        nextActive(["06:00-07:00"], at("2026-11-01T04:00:00Z")),
      ]`,
    );
    expect(twice).toEqual([true, true, false]);
    expect(begins).toBe(Date.parse("2026-11-01T11:00:00Z"));
  });

  test("a zone that is half an hour off, and changes by half an hour", () => {
    // Lord Howe Island, 4 October 2026: 01:59:59 +10:30 is followed by 02:30:00 +11:00.
    const begins = inZone<unknown>(
      "Australia/Lord_Howe",
      `[nextActive(["02:00-03:00"], at("2026-10-03T14:00:00Z")), nextActive(["02:00-03:00"], at("2026-10-03T16:00:00Z"))]`,
    );
    expect(begins).toEqual([Date.parse("2026-10-03T15:30:00Z"), Date.parse("2026-10-04T15:00:00Z")]);
  });
});
