import { CreateBucketCommand, DeleteBucketCommand, DeleteObjectCommand } from "@aws-sdk/client-s3";
import type { FaultEffect } from "@bucketline/s3-sandbox";
import { expect, test } from "vitest";
import { onBothPaths } from "../support/data-paths.ts";
import { type Bed, BUCKET, openBed, PART, patterned, until } from "./bed.ts";

const BIG = patterned(5 * PART + 17);

/** What somebody with access to the bucket does: empties and deletes it, while others write to it. */
async function deleteBucket(bed: Bed): Promise<void> {
  const client = bed.client();
  while (bed.sandbox.buckets().length > 0) {
    for (const { key } of bed.sandbox.objects(BUCKET)) {
      await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
    }
    await client.send(new DeleteBucketCommand({ Bucket: BUCKET })).catch((error: Error) => {
      if (error.name !== "BucketNotEmpty") throw error;
    });
  }
}

onBothPaths("NoSuchBucket", () => {
  test("at registration: refused, and nothing is recorded", async () => {
    const bed = await openBed({ sandbox: { buckets: [] } });
    bed.write("small", "1");
    const station = bed.service();
    await expect(station.begin()).rejects.toMatchObject({ code: "BUCKET_NOT_FOUND" });
    expect(bed.requests("HeadBucket")).toMatchObject([{ status: 404 }]);
    expect(await station.service.list()).toEqual([]);
  });

  test("deleted while files are on their way: FAILED at once, no attempt burnt, retry() goes on when it is back", async () => {
    const bed = await openBed();
    const files = bed.writeMany(30);
    const concurrency = 3;
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      nth: 5,
      action: async () => {
        await deleteBucket(bed);
        return undefined;
      },
    });
    const station = bed.service({ concurrency });
    await expect(station.upload()).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
    expect(fault.fired).toBe(1);
    expect((await station.service.get("u")).reason).toMatchObject({ code: "BUCKET_NOT_FOUND" });
    const refused = bed.requests("PutObject").filter(({ errorCode }) => errorCode === "NoSuchBucket");
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(concurrency);
    const waiting = [...(await station.files()).values()].filter(({ state }) => state !== "UPLOADED");
    expect(waiting.every(({ state, attempts, owner }) => state === "PENDING" && attempts === 0 && owner === null)).toBe(
      true,
    );
    await bed.client().send(new CreateBucketCommand({ Bucket: BUCKET }));
    await station.service.retry("u");
    await station.service.finished("u");
    const sentLater = waiting.map(({ path }) => path);
    // What had been uploaded went down with the bucket; the ledger does not watch objects.
    expect(await bed.contents()).toEqual(Object.fromEntries(sentLater.map((path) => [path, files[path]])));
  });
});

onBothPaths("AccessDenied", () => {
  test.each([
    ["small files", "PutObject"],
    ["large files", "CreateMultipartUpload"],
    ["parts", "UploadPart"],
  ] as const)(
    "%s: asked at most once per file in flight, FAILED with the reason; goes on when it is mended",
    async (what, operation) => {
      const bed = await openBed();
      const files: Record<string, string | Buffer> = bed.writeMany(what === "small files" ? 40 : 0);
      for (let n = 0; what !== "small files" && n < 20; n++) {
        const name = `big-${n}`;
        files[name] = BIG;
        bed.write(name, BIG);
      }
      const concurrency = 4;
      const fault = bed.sandbox.fault({ operation, times: 1_000, action: { type: "respond", code: "AccessDenied" } });
      const station = bed.service({ concurrency, partConcurrency: 1 });
      await expect(station.upload()).rejects.toMatchObject({ code: "UPLOAD_FAILED" });
      expect(fault.fired).toBeGreaterThan(0);
      expect(fault.fired).toBeLessThanOrEqual(concurrency);
      expect((await station.service.get("u")).reason).toMatchObject({ code: "ACCESS_DENIED" });
      const rows = [...(await station.files()).values()];
      expect(rows.every(({ state, attempts }) => state === "PENDING" && attempts === 0)).toBe(true);
      fault.remove();
      await station.service.retry("u");
      await station.service.finished("u");
      await station.expectWhole(files);
    },
  );

  test("a watched upload tries again by itself", async () => {
    const bed = await openBed();
    const files = bed.writeMany(3);
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      times: 1_000,
      action: { type: "respond", code: "AccessDenied" },
    });
    const station = bed.service({ concurrency: 1, requeueFailedAfter: 50 });
    await station.begin({ mode: "watch" });
    await until(async () => (await station.service.get("u")).state === "FAILED");
    fault.remove();
    await until(() => station.uploaded.length === 3);
    await station.service.finished("u");
    expect(fault.fired).toBeGreaterThan(0);
    await station.expectWhole(files);
  });
});

onBothPaths("expired credentials", () => {
  const credentials = { accessKeyId: "key", secretAccessKey: "secret", sessionToken: "fresh" };

  async function expiring(options: { readonly operation: "PutObject" | "UploadPart"; readonly nth: number }) {
    const bed = await openBed({ sandbox: { credentials } });
    let expired = false;
    const answer: FaultEffect = { type: "respond", code: "ExpiredToken" };
    const refused = bed.sandbox.fault({ times: 1_000, action: () => (expired ? answer : undefined) });
    const expiry = bed.sandbox.fault({
      ...options,
      action: () => {
        expired = true;
        return answer;
      },
    });
    let asked = 0;
    const provider = async () => {
      asked++;
      // The SDK asks again within five minutes of the expiry.
      return { ...credentials, expiration: new Date(Date.now() + 60_000) };
    };
    const station = bed.service({ concurrency: 2, partConcurrency: 1 }, { credentials: provider });
    const renew = () => {
      expired = false;
    };
    return { bed, station, expiry, refused, renew, asked: () => asked };
  }

  test("the upload is held and goes on with renewed ones, and no attempt is burnt", async () => {
    const { bed, station, expiry, renew, asked } = await expiring({ operation: "PutObject", nth: 4 });
    const files = bed.writeMany(12);
    await station.begin();
    await until(() => station.warnings.some(({ code }) => code === "CREDENTIALS_UNAVAILABLE"));
    const before = asked();
    expect(expiry.fired).toBe(1);
    const rows = [...(await station.files()).values()].filter(({ state }) => state === "PENDING");
    expect(rows.every(({ attempts }) => attempts === 0)).toBe(true);
    expect((await station.service.get("u")).state).toBe("IN_PROGRESS");
    renew();
    await station.service.finished("u");
    expect(asked()).toBeGreaterThan(before);
    expect(station.retries).toEqual([]);
    await station.expectWhole(files);
  });

  test("between two parts: the parts that were sent stay", async () => {
    const { bed, station, expiry, renew } = await expiring({ operation: "UploadPart", nth: 4 });
    bed.write("big", BIG);
    await station.begin();
    await until(() => station.warnings.some(({ code }) => code === "CREDENTIALS_UNAVAILABLE"));
    renew();
    await station.service.finished("u");
    expect(expiry.fired).toBe(1);
    expect(bed.requests("UploadPart").filter(({ committed }) => committed)).toHaveLength(6);
    expect(station.retries).toEqual([]);
    await station.expectWhole({ big: BIG });
  });

  test("a provider that fails for a while", async () => {
    const bed = await openBed();
    const files = bed.writeMany(5);
    let calls = 0;
    const provider = async () => {
      calls++;
      if (calls > 3 && calls < 6)
        throw Object.assign(new Error("no credentials to be had"), { name: "CredentialsProviderError" });
      return { ...bed.sandbox.credentials, expiration: new Date(Date.now() + 1_000) };
    };
    const station = bed.service({ concurrency: 1 }, { credentials: provider });
    await station.upload();
    expect(calls).toBeGreaterThan(6);
    expect(station.warnings).toContainEqual(expect.objectContaining({ code: "CREDENTIALS_UNAVAILABLE" }));
    expect(station.retries).toEqual([]);
    await station.expectWhole(files);
  });
});

onBothPaths("clocks that differ by an hour", () => {
  const HOUR_MS = 3_600_000;

  test.each([
    ["ahead", HOUR_MS],
    ["behind", -HOUR_MS],
  ])("the store's clock is %s from the beginning", async (_, offset) => {
    const bed = await openBed({ sandbox: { clock: () => new Date(Date.now() + offset) } });
    bed.write("big", BIG);
    bed.write("small", "1");
    const station = bed.service();
    await station.upload();
    expect(bed.sandbox.requests).toContainEqual(expect.objectContaining({ errorCode: "RequestTimeTooSkewed" }));
    await station.expectWhole({ big: BIG, small: "1" });
  });

  test.each(["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject"] as const)(
    "one of the clocks is set just before %s",
    async (operation) => {
      let offset = 0;
      const bed = await openBed({ sandbox: { clock: () => new Date(Date.now() + offset) } });
      bed.write("big", BIG);
      bed.write("small", "1");
      const fault = bed.sandbox.fault({
        operation,
        action: () => {
          offset = HOUR_MS;
          return undefined;
        },
      });
      const station = bed.service({ concurrency: 1, partConcurrency: 1 });
      await station.upload();
      expect(fault.fired).toBe(1);
      expect(bed.sandbox.requests).toContainEqual(expect.objectContaining({ status: 403 }));
      await station.expectWhole({ big: BIG, small: "1" });
    },
  );
});

onBothPaths("wrong region", () => {
  test("registration is refused and names the bucket's region", async () => {
    const bed = await openBed({ sandbox: { region: "eu-central-1" } });
    const station = bed.service({}, { region: "us-east-1" });
    await expect(station.begin()).rejects.toMatchObject({ code: "WRONG_REGION", message: /eu-central-1/ });
    expect(bed.sandbox.requests).toContainEqual(expect.objectContaining({ errorCode: "AuthorizationHeaderMalformed" }));
    expect(await station.service.list()).toEqual([]);
  });

  test("told later, by a redirect: FAILED with the reason, not file by file", async () => {
    const bed = await openBed();
    const files = bed.writeMany(20);
    const action: FaultEffect = {
      type: "respond",
      code: "PermanentRedirect",
      headers: { "x-amz-bucket-region": "eu-west-3" },
    };
    const fault = bed.sandbox.fault({ operation: "PutObject", times: 1_000, action });
    const station = bed.service({ concurrency: 3 });
    await expect(station.upload()).rejects.toMatchObject({ code: "UPLOAD_FAILED", message: /eu-west-3/ });
    expect(fault.fired).toBeLessThanOrEqual(3);
    fault.remove();
    await station.service.retry("u");
    await station.service.finished("u");
    await station.expectWhole(files);
  });
});
