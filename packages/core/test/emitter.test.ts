import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { createEmitter, type Logger, silentLogger } from "../src/emitter.ts";
import type { EventName } from "../src/events.ts";
import { settle } from "./support/records.ts";

const scanning = () => ({ uploadId: "u" });

function setUp(broken = false) {
  const lines: [string, string][] = [];
  const level = (name: string) => (_: object, message: string) => {
    lines.push([name, message]);
    if (broken) throw new Error("disk full");
  };
  const logger: Logger = { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") };
  const warnings: object[] = [];
  const made = createEmitter(logger);
  const warned = () => made.emitter.on("warning", (event) => warnings.push(event as object));
  return { ...made, lines, warnings, warned };
}

test("a listener that throws is reported, and the others still hear", () => {
  const { emitter, emit, lines, warnings, warned } = setUp();
  warned();
  const heard: unknown[] = [];
  emitter.on("upload:scanning", () => {
    throw new Error("mine");
  });
  emitter.on("upload:scanning", (event) => heard.push(event));
  emit("upload:scanning", scanning);
  expect(heard).toEqual([{ uploadId: "u" }]);
  expect(warnings).toEqual([{ code: "LISTENER_THREW", message: "A listener threw: mine" }]);
  expect(lines).toEqual([["error", "A listener threw: mine"]]);
});

test.each([
  ["of this realm", () => async () => Promise.reject(new Error("later"))],
  ["of another", () => runInNewContext("async () => { throw new Error('later'); }") as () => unknown],
])("a promise %s that rejects is reported", async (_, make) => {
  const { emitter, emit, warnings, warned } = setUp();
  warned();
  emitter.on("upload:scanning", make());
  emit("upload:scanning", scanning);
  await settle();
  expect(warnings).toEqual([{ code: "LISTENER_THREW", message: expect.stringMatching(/^A listener threw: .*later$/) }]);
});

test.each([
  [
    "throws",
    () => {
      throw new Error("again");
    },
  ],
  ["rejects", () => Promise.reject(new Error("again"))],
])("a warning listener that %s is not told of itself", async (_, listener) => {
  const { emitter, emit, lines } = setUp();
  let calls = 0;
  emitter.on("warning", () => {
    calls++;
    return listener();
  });
  emit("warning", () => ({ code: "X", message: "m" }));
  await settle(50);
  expect(calls).toBe(1);
  expect(lines.filter(([level]) => level === "error")).toHaveLength(1);
});

test("a listener of two events is reported for one, and heard of as a warning once", async () => {
  const { emitter, emit, lines } = setUp();
  const listener = async () => Promise.reject(new Error("both"));
  emitter.on("upload:scanning", listener);
  emitter.on("warning", listener);
  emit("upload:scanning", scanning);
  await settle(50);
  expect(lines).toEqual([
    ["error", "A listener threw: both"],
    ["error", "A listener threw: both"],
  ]);
});

test("once hears once; off hears no more; neither touches other events", () => {
  const { emitter, emit } = setUp();
  const heard: string[] = [];
  const listener = (event: unknown) => heard.push((event as { uploadId: string }).uploadId);
  emitter.once("upload:scanning", listener);
  emitter.on("monitor:check", listener);
  for (const uploadId of ["a", "b"]) emit("upload:scanning", () => ({ uploadId }));
  emitter.once("upload:scanning", listener);
  emitter.off("upload:scanning", listener);
  emit("upload:scanning", () => ({ uploadId: "c" }));
  emit("monitor:check", () => ({ uploadId: "d" }));
  expect(heard).toEqual(["a", "d"]);
});

test("a payload is built once for all, and not at all when nobody would see it", () => {
  let built = 0;
  const payload = () => {
    built++;
    return { uploadId: "u", files: 1 };
  };
  const silent = createEmitter(silentLogger);
  silent.emit("upload:scanning", payload);
  silent.emit("monitor:requeued", payload);
  expect(built).toBe(0);
  silent.emitter.on("monitor:requeued", () => {});
  silent.emitter.on("monitor:requeued", () => {});
  silent.emit("monitor:requeued", payload);
  expect(built).toBe(1);
});

test("what is above debug level reaches the log without any listener", () => {
  const { emit, lines } = setUp();
  const names: EventName[] = ["monitor:requeued", "upload:scanning"];
  for (const name of names) emit(name, () => ({ uploadId: "u", files: 2 }) as never);
  expect(lines).toEqual([["info", "monitor:requeued"]]);
});

test("a logger that throws disturbs nobody", () => {
  const { emitter, emit, warned, warnings } = setUp(true);
  warned();
  emitter.on("warning", () => {
    throw new Error("too");
  });
  emit("warning", () => ({ code: "X", message: "m" }));
  expect(warnings).toEqual([{ code: "X", message: "m" }]);
});
