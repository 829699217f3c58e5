import { setTimeout } from "node:timers/promises";
import { AbortMultipartUploadCommand } from "@aws-sdk/client-s3";
import type { FaultEffect, FaultOptions } from "@bucketline/s3-sandbox";
import { describe, expect, test } from "vitest";
import { onBothPaths } from "../support/data-paths.ts";
import { type Bed, BUCKET, openBed, PART, patterned, until } from "./bed.ts";

const BIG = patterned(5 * PART + 17);
const ATTEMPTS = 3;
const REQUESTS_PER_CALL = 3;

const respond = (code: string, status?: number): FaultEffect => ({
  type: "respond",
  code,
  ...(status === undefined ? {} : { status }),
});

/** The first HEAD that finds an object says another checksum. @returns how often it did */
function lieOnce(bed: Bed): () => number {
  let lies = 0;
  bed.sandbox.fault({
    operation: "HeadObject",
    times: 1_000,
    action: () => {
      if (lies > 0 || bed.sandbox.objects(BUCKET).length === 0) return undefined;
      lies++;
      return { type: "wrongChecksum" };
    },
  });
  return () => lies;
}

onBothPaths("server errors are retried, and what was sent stays", () => {
  const answers = [
    ["500 InternalError", respond("InternalError")],
    ["500 without a document", respond("", 500)],
    ["503 ServiceUnavailable", respond("ServiceUnavailable")],
    ["503 SlowDown", respond("SlowDown")],
    ["429 TooManyRequests", respond("TooManyRequests")],
  ] as const;
  const operations = [
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "HeadObject",
  ] as const;

  test("400 RequestTimeout: the body did not arrive in time", async () => {
    const bed = await openBed();
    bed.write("big", BIG);
    bed.write("small", "small content");
    const bodied = ["PutObject", "UploadPart", "CompleteMultipartUpload"] as const;
    const action = respond("RequestTimeout");
    const faults = bodied.map((operation) => bed.sandbox.fault({ operation, times: 2, action }));
    const station = bed.service();
    await station.upload();
    expect(faults.map(({ fired }) => fired)).toEqual([2, 2, 2]);
    await station.expectWhole({ big: BIG, small: "small content" });
  });

  test.each(answers)("%s, two in a row for every kind of request", async (_, action) => {
    const bed = await openBed();
    bed.write("big", BIG);
    bed.write("small", "small content");
    const faults = operations.map((operation) => bed.sandbox.fault({ operation, times: 2, action }));
    const station = bed.service();
    await station.upload();
    await station.expectWhole({ big: BIG, small: "small content" });
    expect(faults.map(({ fired }) => fired)).toEqual([2, 2, 2, 2, 2]);
    const stored = bed.requests("UploadPart").filter(({ committed }) => committed);
    expect(stored).toHaveLength(6);
  });

  test("for ever: bounded over all layers, FAILED with the reason, the others are not held up, and retry() mends it", async () => {
    const bed = await openBed();
    bed.write("ill", "never arrives");
    bed.write("well", "arrives");
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      key: "ill",
      times: 1_000,
      action: respond("InternalError"),
    });
    const station = bed.service({ concurrency: 1, retry: { attempts: ATTEMPTS, baseMs: 2, capMs: 4 } });
    await expect(station.upload()).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(fault.fired).toBe(ATTEMPTS * REQUESTS_PER_CALL);
    expect(await station.file("ill")).toMatchObject({
      state: "FAILED",
      attempts: ATTEMPTS,
      reason: { code: "STORE_UNAVAILABLE" },
    });
    expect(await bed.contents()).toEqual({ well: "arrives" });
    fault.remove();
    expect(await station.service.retry("u")).toBe(1);
    await station.service.finished("u");
    await station.expectWhole({ ill: "never arrives", well: "arrives" });
  });
});

test.each([
  ["503 SlowDown", respond("SlowDown")],
  ["429", respond("TooManyRequests")],
])("%s: fewer files are in flight, and as many as before once it is over", async (_, throttle) => {
  const bed = await openBed();
  const files = bed.writeMany(70);
  const held: ((effect?: FaultEffect) => void)[] = [];
  const release = (count: number, effect?: FaultEffect) => {
    for (const go of held.splice(0, count)) go(effect);
  };
  bed.sandbox.fault({
    operation: "PutObject",
    times: 1_000,
    action: () => new Promise<FaultEffect | undefined>((resolve) => held.push(resolve)),
  });
  const station = bed.service({ concurrency: 8 });
  const ended = station.upload();
  await until(() => held.length === 8);
  release(8, throttle);
  await until(() => held.length === 8);
  release(8);
  // Halved to 4; the 8 that were in flight succeed, and the first 4 of them allow a fifth.
  await until(() => held.length >= 5);
  await setTimeout(50);
  expect(held).toHaveLength(5);
  // One more for every round of successes.
  for (const [successes, inFlight] of [
    [1, 6],
    [6, 7],
    [7, 8],
  ] as const) {
    release(successes);
    await until(() => held.length === inFlight);
  }
  let over = false;
  void ended.finally(() => {
    over = true;
  });
  await until(() => {
    release(held.length);
    return over;
  });
  await ended;
  await station.expectWhole(files);
  expect(station.retries).toEqual([]);
});

onBothPaths("an answer that lies is not believed", () => {
  test("a put answered with another checksum: HEAD settles it, nothing is sent twice", async () => {
    const bed = await openBed();
    bed.write("small", "small content");
    const fault = bed.sandbox.fault({ operation: "PutObject", action: { type: "wrongChecksum" } });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(1);
    expect(station.retries).toMatchObject([{ reason: { code: "INTEGRITY" } }]);
    expect(bed.requests("PutObject")).toHaveLength(1);
    await station.expectWhole({ small: "small content" });
  });

  test("a part answered with another checksum: compared with the listing, and not sent again", async () => {
    const bed = await openBed();
    bed.write("big", BIG);
    const fault = bed.sandbox.fault({ operation: "UploadPart", partNumber: 3, action: { type: "wrongChecksum" } });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(1);
    expect(station.retries).toMatchObject([{ reason: { code: "INTEGRITY" } }]);
    expect(bed.requests("UploadPart")).toHaveLength(6);
    await station.expectWhole({ big: BIG });
  });

  test("a part answered with another ETag: refused at Complete, and begun anew", async () => {
    const bed = await openBed();
    bed.write("big", BIG);
    const fault = bed.sandbox.fault({ operation: "UploadPart", partNumber: 2, action: { type: "wrongEtag" } });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(1);
    expect(station.retries).toMatchObject([{ reason: { code: "INTEGRITY" } }]);
    expect(bed.requests("CreateMultipartUpload")).toHaveLength(2);
    await station.expectWhole({ big: BIG });
  });

  test.each(["wrongEtag", "wrongChecksum"] as const)("%s at Complete: the evidence is what HEAD says", async (type) => {
    const bed = await openBed();
    bed.write("big", BIG);
    const fault = bed.sandbox.fault({ operation: "CompleteMultipartUpload", action: { type } });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(1);
    expect(station.retries).toEqual([]);
    const { etag } = bed.sandbox.objects(BUCKET)[0] ?? {};
    expect((await station.file("big")).evidence).toMatchObject({ etag });
    await station.expectWhole({ big: BIG });
  });

  test("a wrong ETag of a put that the checksum proves: UPLOADED, by the checksum", async () => {
    const bed = await openBed();
    bed.write("small", "small content");
    const fault = bed.sandbox.fault({ operation: "PutObject", action: { type: "wrongEtag" } });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(1);
    await station.expectWhole({ small: "small content" });
  });

  test("HEAD shows another object than was completed: sent again", async () => {
    const bed = await openBed();
    bed.write("big", BIG);
    const lies = lieOnce(bed);
    const station = bed.service();
    await station.upload();
    expect(lies()).toBe(1);
    expect(station.retries).toMatchObject([{ reason: { code: "INTEGRITY" } }]);
    await station.expectWhole({ big: BIG });
  });
});

describe("200 with an error document at Complete", () => {
  test.each([
    ["and the object is there", true, 1],
    ["and nothing was done", false, 1],
    ["and nothing was done, again and again", false, REQUESTS_PER_CALL * 2],
  ])("%s", async (_, commit, times) => {
    const bed = await openBed();
    bed.write("big", BIG);
    const fault = bed.sandbox.fault({
      operation: "CompleteMultipartUpload",
      times,
      action: { type: "okWithError", code: "InternalError", commit },
    });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(times);
    expect(bed.requests("UploadPart")).toHaveLength(6);
    expect(bed.requests("CreateMultipartUpload")).toHaveLength(1);
    await station.expectWhole({ big: BIG });
  });
});

test("an object made by an earlier completion does not leave a later multipart upload open", async () => {
  const bed = await openBed();
  bed.write("big", BIG);
  const lies = lieOnce(bed);
  const reset: FaultOptions = {
    operation: "CompleteMultipartUpload",
    nth: 2,
    times: 3,
    action: { type: "resetBefore" },
  };
  const resets = bed.sandbox.fault(reset);
  const station = bed.service();
  await station.upload();
  expect([lies(), resets.fired]).toEqual([1, 3]);
  expect(bed.requests("CreateMultipartUpload")).toHaveLength(2);
  await station.expectWhole({ big: BIG });
});

describe("multipart uploads", () => {
  test("NoSuchUpload on resume: begun anew", async () => {
    const bed = await openBed();
    bed.write("big", BIG);
    const station = bed.service({ partConcurrency: 1 });
    let parts = 0;
    const hold: FaultOptions = {
      operation: "UploadPart",
      nth: 3,
      action: async () => {
        parts = bed.requests("UploadPart").filter(({ committed }) => committed).length;
        await station.service.pause("u");
        return undefined;
      },
    };
    const fault = bed.sandbox.fault(hold);
    await station.begin();
    await until(async () => (await station.service.get("u")).state === "PAUSED");
    expect(fault.fired).toBe(1);
    expect(parts).toBe(2);
    const client = bed.client();
    for (const { key, uploadId } of bed.sandbox.multipartUploads(BUCKET)) {
      await client.send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key: key, UploadId: uploadId }));
    }
    await station.service.resume("u");
    await station.service.finished("u");
    expect(bed.requests("ListParts")).toContainEqual(expect.objectContaining({ errorCode: "NoSuchUpload" }));
    await station.expectWhole({ big: BIG });
  });

  test("NoSuchUpload in the middle: begun anew", async () => {
    const bed = await openBed();
    bed.write("big", BIG);
    const client = bed.client();
    const fault = bed.sandbox.fault({
      operation: "UploadPart",
      nth: 4,
      action: async ({ key, uploadId }) => {
        await client.send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key: key, UploadId: uploadId }));
        return undefined;
      },
    });
    const station = bed.service({ partConcurrency: 1 });
    await station.upload();
    expect(fault.fired).toBe(1);
    expect(station.retries).toMatchObject([{ reason: { code: "OBJECT_NOT_FOUND" } }]);
    await station.expectWhole({ big: BIG });
  });

  test("more than 1,000 parts: the listing is read to its end, and no part is sent twice", async () => {
    const bed = await openBed();
    const size = 16;
    const huge = patterned(1_050 * size - 3);
    bed.write("huge", huge);
    const first = bed.service({ chunkSize: size, partConcurrency: 16, owner: "first", lease: 60_000 });
    const fault = bed.sandbox.fault({
      operation: "UploadPart",
      partNumber: 1_040,
      times: 2,
      action: async () => {
        void first.service.stop();
        return undefined;
      },
    });
    await first.begin();
    await until(() => fault.fired > 0);
    await first.service.stop();
    const second = bed.service({ chunkSize: size, partConcurrency: 16, owner: "second", lease: 60_000 });
    await second.upload();
    expect(bed.requests("ListParts").filter(({ errorCode }) => errorCode === undefined)).toHaveLength(2);
    expect(bed.requests("UploadPart")).toHaveLength(1_050);
    await second.expectWhole({ huge });
  });
});
