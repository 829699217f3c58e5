import { request } from "node:http";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../src/index.ts";
import { PATIENCE } from "./patience.ts";
import { signHeaders, signingFor } from "./signing.ts";

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
const get = (Key: string, extra: Partial<GetObjectCommandInput> = {}) =>
  s3.send(new GetObjectCommand({ Bucket, Key, ...extra }));
const text = async (answer: Promise<{ Body?: { transformToString(): Promise<string> } }>) =>
  (await answer).Body!.transformToString();

describe("conditional writes", () => {
  test("If-None-Match and If-Match on a PUT", async () => {
    const { ETag } = await put("guarded", { IfNoneMatch: "*" });
    await expect(put("guarded", { IfNoneMatch: "*" })).rejects.toMatchObject({
      name: "PreconditionFailed",
      $metadata: { httpStatusCode: 412 },
    });
    await put("guarded", { IfMatch: ETag, Body: "new" });
    await expect(put("guarded", { IfMatch: ETag })).rejects.toMatchObject({ name: "PreconditionFailed" });
    await expect(put("nothing", { IfMatch: ETag })).rejects.toMatchObject({ name: "NoSuchKey" });
    await expect(put("guarded", { IfNoneMatch: ETag })).rejects.toMatchObject({ name: "NotImplemented" });
    await expect(s3.send(new DeleteObjectCommand({ Bucket, Key: "guarded", IfMatch: ETag }))).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    expect((await sandbox.object(Bucket, "guarded"))?.body.toString()).toBe("new");
  });

  test("of two at once one wins; a delete in between is a conflict", async () => {
    const race = await Promise.allSettled([put("race", { IfNoneMatch: "*" }), put("race", { IfNoneMatch: "*" })]);
    expect(race.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
    const path = `/${Bucket}/race`;
    const { headers } = signHeaders(signingFor(sandbox), {
      method: "PUT",
      path,
      headers: { host: `127.0.0.1:${sandbox.port}`, "if-none-match": "*" },
      payloadHash: "UNSIGNED-PAYLOAD",
    });
    const outgoing = request({
      port: sandbox.port,
      method: "PUT",
      path,
      agent: false,
      headers: { ...headers, "content-length": "4" },
    });
    const answered = new Promise<number | undefined>((resolve, reject) =>
      outgoing.on("response", (r) => resolve(r.resume().statusCode)).on("error", reject),
    );
    outgoing.write("ab");
    await expect.poll(() => sandbox.requests.at(-1)?.payloadBytes, PATIENCE).toBe(2);
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "race" }));
    outgoing.end("cd");
    expect(await answered).toBe(409);
    expect(sandbox.requests.find((record) => record.status === 409)?.errorCode).toBe("ConditionalRequestConflict");
    expect(await sandbox.object(Bucket, "race")).toBeUndefined();
  });
});

describe("copying", () => {
  test("keeps or replaces metadata and tags, and shares no fate with its source", async () => {
    await put("from/ü+ 1", { ContentType: "text/css", Metadata: { a: "1" }, Tagging: "t=1" });
    const CopySource = `${Bucket}/${encodeURIComponent("from/ü+ 1")}`;
    await s3.send(new CopyObjectCommand({ Bucket, Key: "same", CopySource }));
    await s3.send(
      new CopyObjectCommand({
        Bucket,
        Key: "replaced",
        CopySource,
        MetadataDirective: "REPLACE",
        Metadata: { b: "2" },
        TaggingDirective: "REPLACE",
        Tagging: "u=2",
      }),
    );
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "from/ü+ 1" }));
    expect(await sandbox.object(Bucket, "same")).toMatchObject({
      contentType: "text/css",
      metadata: { a: "1" },
      tags: { t: "1" },
    });
    expect(await sandbox.object(Bucket, "replaced")).toMatchObject({ metadata: { b: "2" }, tags: { u: "2" } });
    expect(await text(get("same"))).toBe("0123456789");
  });

  test("onto itself needs a change; conditions on the source hold", async () => {
    const { ETag } = await put("self");
    const copy = (extra = {}) =>
      s3.send(new CopyObjectCommand({ Bucket, Key: "self", CopySource: `${Bucket}/self`, ...extra }));
    await expect(copy()).rejects.toMatchObject({ name: "InvalidRequest" });
    await copy({ MetadataDirective: "REPLACE", Metadata: { x: "y" } });
    await expect(copy({ StorageClass: "GLACIER", CopySourceIfNoneMatch: ETag })).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    await expect(
      s3.send(new CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/absent` })),
    ).rejects.toMatchObject({ name: "NoSuchKey" });
  });
});
