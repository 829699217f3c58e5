import type { FaultEffect, OperationName } from "@bucketline/s3-sandbox";
import { expect, test } from "vitest";
import { systemClock, withDeadlines } from "../../src/index.ts";
import { dataPath, onBothPaths } from "../support/data-paths.ts";
import { smallPartStore } from "../support/small-parts.ts";
import { BUCKET, openBed, PART, patterned, until } from "./bed.ts";
import { openWire } from "./wire.ts";

const BIG = patterned(5 * PART + 17);
const SMALL = "small content";
const WHOLE = { big: BIG, small: SMALL };

async function bothSizes() {
  const bed = await openBed();
  bed.write("big", BIG);
  bed.write("small", SMALL);
  return bed;
}

onBothPaths("connections that break", () => {
  test.each<[string, FaultEffect, readonly OperationName[]]>([
    ["reset in the middle of the body", { type: "resetMidBody", afterBytes: 5 }, ["PutObject", "UploadPart"]],
    [
      "reset before anything is done",
      { type: "resetBefore" },
      ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject"],
    ],
    [
      "reset in the middle of the answer",
      { type: "resetMidBody", afterBytes: 20 },
      ["CreateMultipartUpload", "CompleteMultipartUpload"],
    ],
  ])("%s", async (_, action, operations) => {
    const bed = await bothSizes();
    const faults = operations.map((operation) => bed.sandbox.fault({ operation, action }));
    const station = bed.service();
    await station.upload();
    expect(faults.map(({ fired }) => fired)).toEqual(operations.map(() => 1));
    await station.expectWhole(WHOLE);
  });

  test("a kept-alive connection that the other side has forgotten", async () => {
    const bed = await openBed();
    bed.write("first", "1");
    const wire = await openWire({ port: bed.sandbox.port });
    const station = bed.service({}, { endpoint: wire.endpoint });
    await station.upload({ mode: "watch" });
    expect(wire.open).toBeGreaterThan(0);
    const before = wire.accepted;
    expect(wire.cut()).toBeGreaterThan(0);
    bed.write("second", "2");
    await until(() => station.uploaded.includes("second"));
    expect(wire.accepted).toBeGreaterThan(before);
    await station.service.finished("u");
    await station.expectWhole({ first: "1", second: "2" });
  });

  test("a kept-alive connection that is reset when the next request is on its way", async () => {
    const bed = await openBed();
    const files = bed.writeMany(6);
    const wire = await openWire({ port: bed.sandbox.port });
    let cut = 0;
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      nth: 3,
      action: () => {
        cut = wire.cut();
        return undefined;
      },
    });
    const station = bed.service({ concurrency: 1 }, { endpoint: wire.endpoint });
    await station.upload();
    expect(fault.fired).toBe(1);
    // The direct path has a connection of its own beside that of the SDK.
    expect(cut).toBe(dataPath() === "direct" ? 2 : 1);
    await station.expectWhole(files);
  });
});

onBothPaths("a server that does not get on", () => {
  test.each<[string, FaultEffect]>([
    ["silence, nothing done", { type: "silence" }],
    ["silence, and the work is done", { type: "silence", commit: true }],
  ])("%s: the silence is noticed for every kind of request", async (_, action) => {
    const bed = await bothSizes();
    const operations = [
      "PutObject",
      "CreateMultipartUpload",
      "UploadPart",
      "CompleteMultipartUpload",
      "HeadObject",
    ] as const;
    const faults = operations.map((operation) => bed.sandbox.fault({ operation, action }));
    // CompleteMultipartUpload may be silent for minutes and has no idle timeout worth the name, but a deadline.
    const s3 = smallPartStore({ ...bed.sandbox.clientConfig, dataPath: dataPath(), idleTimeoutMs: 150 });
    const station = bed.service({ objects: withDeadlines(s3, { clock: systemClock, completeMs: 150 }) });
    await station.upload();
    expect(faults.map(({ fired }) => fired)).toEqual([1, 1, 1, 1, 1]);
    await station.expectWhole(WHOLE);
  });

  test("silence right after the connection was accepted", async () => {
    const bed = await openBed();
    bed.write("small", SMALL);
    const wire = await openWire({ port: bed.sandbox.port });
    const station = bed.service({}, { endpoint: wire.endpoint, idleTimeoutMs: 150 });
    await station.service.register({
      id: "u",
      sourceFolder: bed.source,
      bucket: BUCKET,
      keyTemplate: "{path}",
      mode: "once",
    });
    wire.cut();
    wire.deaf = true;
    const before = wire.accepted;
    await station.service.start();
    await until(() => wire.accepted > before + 1);
    wire.deaf = false;
    await station.service.finished("u");
    await station.expectWhole({ small: SMALL });
  });

  test("an answer of one byte per second is never silent, and runs into the deadline", async () => {
    const bed = await openBed();
    bed.write("small", SMALL);
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      times: 4,
      action: { type: "trickle", intervalMs: 1_000 },
    });
    const station = bed.service({ requestTimeout: 150 });
    await station.upload();
    // The trickled put was done: the doubt is settled by HEAD, so one attempt with three requests is enough.
    expect(fault.fired).toBe(3);
    expect(station.retries).toEqual([]);
    await station.expectWhole({ small: SMALL });
  });

  test("every answer trickles for as long as it likes: FAILED in the end, and the other files are not held up", async () => {
    const bed = await openBed();
    bed.write("slow", SMALL);
    bed.write("well", SMALL);
    const action: FaultEffect = { type: "trickle", intervalMs: 1_000 };
    const fault = bed.sandbox.fault({ operation: ["PutObject", "HeadObject"], key: "slow", times: 100, action });
    const station = bed.service({ requestTimeout: 150, concurrency: 2, retry: { attempts: 2, baseMs: 1, capMs: 1 } });
    await expect(station.upload()).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(fault.fired).toBeGreaterThan(3);
    expect(await station.file("slow")).toMatchObject({ state: "FAILED", reason: { code: "STORE_UNAVAILABLE" } });
    expect(await station.file("well")).toMatchObject({ state: "UPLOADED" });
  });
});

onBothPaths("an answer lost after the work was done", () => {
  test.each([
    ["PutObject", 1],
    ["PutObject", 3],
    ["UploadPart", 1],
    ["UploadPart", 4],
    ["CreateMultipartUpload", 1],
    ["CompleteMultipartUpload", 1],
    ["CompleteMultipartUpload", 3],
  ] as const)("%s, %d in a row", async (operation, times) => {
    const bed = await bothSizes();
    const fault = bed.sandbox.fault({ operation, times, action: { type: "loseResponse" } });
    const station = bed.service({ partConcurrency: 1 });
    await station.upload();
    expect(fault.fired).toBe(times);
    await station.expectWhole(WHOLE);
    const orphans = operation === "CreateMultipartUpload" ? 1 : 0;
    expect(bed.requests("CreateMultipartUpload").filter(({ committed }) => committed)).toHaveLength(1 + orphans);
    expect(bed.requests("AbortMultipartUpload").filter(({ committed }) => committed)).toHaveLength(orphans);
  });
});

onBothPaths("bytes that change on the way", () => {
  test.each(["PutObject", "UploadPart"] as const)("%s: refused by its checksum, and sent again", async (operation) => {
    const bed = await bothSizes();
    const fault = bed.sandbox.fault({ operation, action: { type: "corruptByte", offset: 3 } });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(1);
    expect(station.retries).toMatchObject([{ reason: { code: "INTEGRITY" } }]);
    await station.expectWhole(WHOLE);
  });

  test("a bit that flips on the wire itself", async () => {
    const bed = await openBed();
    const content = `${"x".repeat(500)}here it flips`;
    bed.write("small", content);
    let flipped = 0;
    const toServer = (chunk: Buffer) => {
      const at = chunk.indexOf("here it flips");
      if (at < 0 || flipped > 0) return chunk;
      flipped++;
      const changed = Buffer.from(chunk);
      changed.writeUInt8(chunk.readUInt8(at) ^ 0x20, at);
      return changed;
    };
    const wire = await openWire({ port: bed.sandbox.port, toServer });
    const station = bed.service({}, { endpoint: wire.endpoint });
    await station.upload();
    expect(flipped).toBe(1);
    expect(station.retries).toMatchObject([{ reason: { code: "INTEGRITY" } }]);
    await station.expectWhole({ small: content });
  });
});
