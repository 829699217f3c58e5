import type { FaultEffect } from "@bucketline/s3-sandbox";
import { expect, test } from "vitest";
import { type EventName, systemClock, withDeadlines } from "../../src/index.ts";
import { smallPartStore } from "../support/small-parts.ts";
import { openBed, PART, patterned, until } from "./bed.ts";

/** Every bed fails its test when a rejection finds nobody; here as many as possible get the chance. */
const EFFECTS: readonly FaultEffect[] = [
  { type: "respond", code: "InternalError" },
  { type: "respond", code: "SlowDown" },
  { type: "resetBefore" },
  { type: "resetMidBody", afterBytes: 3 },
  { type: "loseResponse" },
  { type: "silence" },
  { type: "wrongChecksum" },
  { type: "corruptByte" },
  { type: "okWithError" },
];

test.each([1, 2, 3])(
  "faults of every kind, stopped at once again and again: no rejection is left alone (seed %d)",
  async (seed) => {
    const bed = await openBed();
    const files: Record<string, string | Buffer> = {
      ...bed.writeMany(12),
      big: patterned(6 * PART),
      large: patterned(3 * PART, 9),
    };
    bed.write("big", patterned(6 * PART));
    bed.write("large", patterned(3 * PART, 9));
    const faults = EFFECTS.map((action, n) => {
      // A request that is no longer XML is refused for good, as it should be.
      const operation = ["PutObject", "UploadPart"] as const;
      const where = action.type === "corruptByte" ? { operation } : {};
      return bed.sandbox.fault({ ...where, action, probability: 0.04, seed: seed * 100 + n });
    });
    const s3 = { ...bed.sandbox.clientConfig, idleTimeoutMs: 60 };
    const store = () => withDeadlines(smallPartStore(s3), { clock: systemClock, completeMs: 100 });
    const options = { retry: { attempts: 50, baseMs: 1, capMs: 5 }, partConcurrency: 2 };
    for (let round = 1; round <= 4; round++) {
      const station = bed.service({ ...options, objects: store() });
      const before = bed.sandbox.requests.length;
      await station.begin();
      const over = async () => (await station.service.get("u")).state === "COMPLETED";
      await until(async () => bed.sandbox.requests.length > before + 7 * round || (await over()));
      await station.service.stop({ signal: AbortSignal.abort() });
    }
    const last = bed.service({ ...options, objects: store() });
    await last.upload();
    bed.sandbox.clearFaults();
    expect(faults.reduce((sum, { fired }) => sum + fired, 0)).toBeGreaterThan(3);
    await last.expectWhole(files);
  },
);

test("listeners that throw and reject disturb nobody, and are told of", async () => {
  const bed = await openBed();
  const files = bed.writeMany(3);
  const station = bed.service();
  const names: readonly EventName[] = [
    "upload:registered",
    "file:queued",
    "file:started",
    "file:uploaded",
    "upload:completed",
  ];
  let thrown = 0;
  for (const [n, name] of names.entries()) {
    station.service.on(name, () => {
      thrown++;
      if (n % 2 === 0) throw new Error("from a listener");
      return Promise.reject(new Error("from a listener")) as unknown as undefined;
    });
  }
  await station.upload();
  await until(() => station.warnings.filter(({ message }) => message.includes("from a listener")).length === thrown);
  expect(thrown).toBe(1 + 3 + 3 + 3 + 1);
  await station.expectWhole(files);
});
