import { describe, expect, test } from "vitest";
import { type Holder, type Observer, parseHolder, thisObserver, thisProcess, verdictOn } from "../src/holder.ts";

const BOOTED = 1_000_000;
const holder: Holder = {
  host: "h",
  boot: "b",
  pidSpace: "p",
  pid: 7,
  started: "55",
  since: "2026-01-01T00:00:00.000Z",
};
const observer = (seen: ReturnType<Observer["look"]>, here: Partial<Observer["here"]> = {}): Observer => ({
  here: { host: "h", boot: "b", pidSpace: "p", ...here },
  bootedAt: BOOTED,
  look: () => seen,
});

describe("whether a holder lives", () => {
  test.each([
    ["same boot, its process has ended", holder, observer("ended"), BOOTED + 5, "ended"],
    ["same boot, its process runs", holder, observer("runs"), BOOTED + 5, "runs"],
    ["same boot, a process has its pid, start unknown", holder, observer("unknown"), BOOTED + 5, "unseen"],
    ["same boot, another PID namespace", holder, observer("ended", { pidSpace: "q" }), BOOTED + 5, "unseen"],
    [
      "same boot, PID namespaces unknown",
      { ...holder, pidSpace: "" },
      observer("ended", { pidSpace: "" }),
      0,
      "unseen",
    ],
    ["another boot of this host, beat before it", holder, observer("runs", { boot: "c" }), BOOTED - 5, "ended"],
    ["another boot of a host of this name, beat since", holder, observer("ended", { boot: "c" }), BOOTED + 5, "unseen"],
    ["another host", holder, observer("ended", { boot: "c", host: "i" }), BOOTED - 5, "unseen"],
    [
      "boots unknown, same host, its process has ended",
      { ...holder, boot: "" },
      observer("ended", { boot: "" }),
      0,
      "ended",
    ],
    [
      "boots unknown, same host, start unknown",
      { ...holder, boot: "" },
      observer("unknown", { boot: "" }),
      0,
      "unseen",
    ],
    ["boots unknown, another host", { ...holder, boot: "" }, observer("ended", { boot: "", host: "i" }), 0, "unseen"],
    ["one boot unknown", holder, observer("ended", { boot: "" }), BOOTED - 5, "unseen"],
  ] as const)("%s: %#", (_, who, where, beat, expected) => {
    expect(verdictOn(who, beat, where)).toBe(expected);
  });

  test("this very process runs; one that has its pid and started at another time has ended", () => {
    const me = thisProcess();
    if (me.started === "") return expect(verdictOn(me, Date.now(), thisObserver())).toBe("unseen");
    expect(verdictOn(me, Date.now(), thisObserver())).toBe("runs");
    expect(verdictOn({ ...me, started: "1" }, Date.now(), thisObserver())).toBe("ended");
    expect(verdictOn({ ...me, pid: 2 ** 22 + 1 }, Date.now(), thisObserver())).toBe("ended");
  });
});

test.each([
  "",
  "{",
  "null",
  "[]",
  '{"pid":1}',
  JSON.stringify({ ...holder, pid: "7" }),
  JSON.stringify({ ...holder, pid: -1 }),
])("what is no holder is not taken for one: %s", (text) => {
  expect(parseHolder(text)).toBeUndefined();
  expect(parseHolder(JSON.stringify(holder))).toEqual(holder);
});
