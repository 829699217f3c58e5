import { createHash } from "node:crypto";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectTaggingCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectTaggingCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../src/index.ts";
import { raw, send, signingFor } from "./signing.ts";

const Bucket = "bucket";
let sandbox: Sandbox;
let s3: S3Client;

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: [Bucket] });
  s3 = new S3Client({ ...sandbox.clientConfig, maxAttempts: 1 });
});
afterAll(async () => {
  s3.destroy();
  await sandbox.close();
});

const put = (Key: string, extra: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body: "0123456789", ...extra }));

describe("deleting", () => {
  test("is silent about what is not there; a batch wants a digest and can be quiet", async () => {
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "never was" }));
    await put("d1");
    await put("d2");
    const answer = await s3.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Quiet: true, Objects: [{ Key: "d1" }, { Key: "d2", ETag: '"other"' }] },
      }),
    );
    expect(answer.Deleted).toBeUndefined();
    expect(answer.Errors).toMatchObject([{ Key: "d2", Code: "PreconditionFailed" }]);
    const body = Buffer.from("<Delete><Object><Key>d2</Key></Object></Delete>");
    const query: [string, string][] = [["delete", ""]];
    expect(await send(sandbox, { method: "POST", path: `/${Bucket}`, query, body })).toMatchObject({
      status: 400,
      code: "InvalidRequest",
    });
    const broken = Buffer.from("<Delete><Object><Key>d2</Object></Delete>");
    const md5 = createHash("md5").update(broken).digest("base64");
    expect(
      await send(sandbox, { method: "POST", path: `/${Bucket}`, query, body: broken, headers: { "content-md5": md5 } }),
    ).toMatchObject({ code: "MalformedXML" });
    expect(await sandbox.object(Bucket, "d2")).toBeDefined();
  });
});

describe("tags", () => {
  test("are replaced, removed, and checked", async () => {
    await put("tagged", { Tagging: "old=1" });
    await s3.send(
      new PutObjectTaggingCommand({ Bucket, Key: "tagged", Tagging: { TagSet: [{ Key: "new", Value: "" }] } }),
    );
    expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key: "tagged" }))).TagSet).toEqual([
      { Key: "new", Value: "" },
    ]);
    const twice = {
      TagSet: [
        { Key: "k", Value: "1" },
        { Key: "k", Value: "2" },
      ],
    };
    await expect(s3.send(new PutObjectTaggingCommand({ Bucket, Key: "tagged", Tagging: twice }))).rejects.toMatchObject(
      { name: "InvalidTag" },
    );
    expect(
      await send(sandbox, { method: "DELETE", path: `/${Bucket}/tagged`, query: [["tagging", ""]] }),
    ).toMatchObject({ status: 204 });
    expect((await sandbox.object(Bucket, "tagged"))?.tags).toEqual({});
  });
});

describe("buckets", () => {
  test("are created, located and deleted when empty", async () => {
    await s3.send(new CreateBucketCommand({ Bucket: "new-bucket" }));
    await s3.send(new CreateBucketCommand({ Bucket: "new-bucket" }));
    expect((await s3.send(new GetBucketLocationCommand({ Bucket: "new-bucket" }))).LocationConstraint).toBeUndefined();
    await put("k", { Bucket: "new-bucket" });
    await expect(s3.send(new DeleteBucketCommand({ Bucket: "new-bucket" }))).rejects.toMatchObject({
      name: "BucketNotEmpty",
    });
    await s3.send(new DeleteObjectCommand({ Bucket: "new-bucket", Key: "k" }));
    await s3.send(new DeleteBucketCommand({ Bucket: "new-bucket" }));
    expect(sandbox.buckets()).not.toContain("new-bucket");
    expect(() => sandbox.objects("new-bucket")).toThrow(expect.objectContaining({ code: "SANDBOX_UNKNOWN_BUCKET" }));
    for (const name of ["ab", "192.168.0.1", "a..b"]) {
      expect(await send(sandbox, { path: `/${name}` })).toMatchObject({ status: 400, code: "InvalidBucketName" });
    }
  });

  test("in another region need their location", async () => {
    await using own = await startSandbox({ region: "eu-central-1" });
    const client = new S3Client(own.clientConfig);
    await client.send(new CreateBucketCommand({ Bucket: "there" }));
    expect((await client.send(new GetBucketLocationCommand({ Bucket: "there" }))).LocationConstraint).toBe(
      "eu-central-1",
    );
    await expect(client.send(new CreateBucketCommand({ Bucket: "there" }))).rejects.toMatchObject({
      name: "BucketAlreadyOwnedByYou",
    });
    expect(await send(own, { path: "/unlocated" })).toMatchObject({
      status: 400,
      code: "IllegalLocationConstraintException",
    });
    client.destroy();
  });
});

describe("requests", () => {
  test("in virtual-host style reach the bucket of their Host", async () => {
    const host = `${Bucket}.localhost:${sandbox.port}`;
    expect(await send(sandbox, { path: "/virtual/key", body: Buffer.from("v"), headers: { host } })).toMatchObject({
      status: 200,
    });
    expect((await sandbox.object(Bucket, "virtual/key"))?.body.toString()).toBe("v");
    const listed = await send(sandbox, {
      method: "GET",
      path: "/",
      headers: { host },
      query: [
        ["list-type", "2"],
        ["prefix", "virtual/"],
      ],
    });
    expect(listed.body.toString()).toContain("<Key>virtual/key</Key>");
  });

  test("for what the sandbox does not do say so", async () => {
    const acl = await send(sandbox, { method: "GET", path: `/${Bucket}/k`, query: [["acl", ""]] });
    expect(acl).toMatchObject({ status: 501, code: "NotImplemented" });
    expect(acl.body.toString()).toContain("?acl");
    expect(await send(sandbox, { method: "GET", path: `/${Bucket}`, query: [["versions", ""]] })).toMatchObject({
      status: 501,
    });
    expect(await send(sandbox, { method: "PATCH", path: `/${Bucket}/k` })).toMatchObject({
      status: 405,
      code: "MethodNotAllowed",
    });
    expect(
      await send(sandbox, { method: "GET", path: `/${Bucket}/ranged`, query: [["versionId", "abc"]] }),
    ).toMatchObject({ status: 400, code: "InvalidArgument" });
    expect(await raw(sandbox, { method: "GET", path: `/${Bucket}/%ff` })).toMatchObject({
      status: 400,
      code: "InvalidURI",
    });
  });

  test("time comes from the sandbox's clock", async () => {
    let now = new Date("2030-01-02T03:04:05.678Z");
    await using own = await startSandbox({ buckets: [Bucket], clock: () => now });
    await send(own, { path: `/${Bucket}/k`, signing: signingFor(own, now) });
    expect(own.objects(Bucket)[0]?.lastModified.toISOString()).toBe("2030-01-02T03:04:05.000Z");
    expect(own.requests[0]?.startedAt).toBe("2030-01-02T03:04:05.678Z");
    now = new Date("2031-01-01T00:00:00Z");
    const answer = await send(own, { method: "HEAD", path: `/${Bucket}/k`, signing: signingFor(own, now) });
    expect(answer.headers).toMatchObject({
      date: "Wed, 01 Jan 2031 00:00:00 GMT",
      "last-modified": "Wed, 02 Jan 2030 03:04:05 GMT",
    });
  });
});
