import { importLedger, systemClock } from "@bucketline/core";
import { MemoryStateStore } from "@bucketline/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { Bed } from "./support/bed.ts";

let bed: Bed;
afterEach(() => bed.close());

const put = (body: unknown) => bed.call("/api/v1/limits", { method: "PUT", body });

describe("limits", () => {
  test("are changed while the service runs; what is left out stays, null lifts one", async () => {
    bed = await Bed.open();
    expect((await bed.call("/limits")).body).toEqual({ bandwidth_limit: null, active_hours: null });
    expect((await put({ bandwidth_limit: 5000 })).body).toEqual({ bandwidth_limit: 5000, active_hours: null });
    expect((await put({ active_hours: "22:00-06:00" })).body).toEqual({
      bandwidth_limit: 5000,
      active_hours: "22:00-06:00",
    });
    expect((await put({ bandwidth_limit: null })).body).toEqual({ bandwidth_limit: null, active_hours: "22:00-06:00" });
    expect((await bed.call("/limits/")).body).toEqual({ bandwidth_limit: null, active_hours: "22:00-06:00" });
  });

  test("hold for what is sent from then on", async () => {
    bed = await Bed.open();
    const hour = new Date().getHours();
    const closed = `${String((hour + 2) % 24).padStart(2, "0")}:00-${String((hour + 3) % 24).padStart(2, "0")}:00`;
    await put({ active_hours: closed });
    await bed.write("a");
    const waiting = new Promise((resolve) => bed.service.once("upload:waiting", resolve));
    await bed.create("", { upload_id: "u" });
    await waiting;
    expect((await bed.call("/uploads/u")).body).toMatchObject({ completed_files: 0, pending_files: 1 });
    await put({ active_hours: null });
    await bed.service.finished("u");
  });

  test("that cannot be are refused, and nothing is changed", async () => {
    bed = await Bed.open();
    await put({ bandwidth_limit: 7 });
    for (const body of [{}, { bandwidth_limit: 0 }, { bandwidth_limit: "1" }, { speed: 1 }])
      expect(await put(body), JSON.stringify(body)).toMatchObject({ status: 400, body: { code: "INVALID_REQUEST" } });
    expect(await put({ bandwidth_limit: 9, active_hours: "at night" })).toMatchObject({
      status: 422,
      body: { code: "INVALID_OPTION" },
    });
    expect((await bed.call("/limits")).body.bandwidth_limit).toBe(7);
  });
});

describe("export", () => {
  test("gives the whole ledger, as the import takes it", async () => {
    bed = await Bed.open();
    await bed.write("a");
    await bed.write("b");
    await bed.create("", { upload_id: "u" });
    await bed.service.finished("u");
    const answer = await bed.call("/export");
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    const target = new MemoryStateStore({ clock: systemClock });
    await target.open();
    const lines = async function* () {
      yield answer.text;
    };
    await importLedger(target, lines());
    const files = await target.listFiles("u", { limit: 10 });
    expect(files.map(({ path, state }) => [path, state])).toEqual([
      ["a", "UPLOADED"],
      ["b", "UPLOADED"],
    ]);
  });

  test("is refused with a problem document while the ledger cannot be read, and cut off when that happens later", async () => {
    bed = await Bed.open();
    const failing = async function* (): AsyncGenerator<string, void> {
      yield '{"first":1}\n';
      throw new Error("the disk is gone");
    };
    bed.service.export = failing;
    await expect(bed.call("/export")).rejects.toThrow();
    await bed.service.stop();
    bed.service.export = Object.getPrototypeOf(bed.service).export;
    expect(await bed.call("/export")).toMatchObject({ status: 503, body: { code: "SERVICE_STOPPED" } });
  });
});
