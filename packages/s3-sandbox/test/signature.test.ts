import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../src/index.ts";
import { authenticate } from "../src/signature.ts";
import { plainChunks, presign, raw, type SendOptions, send, signChunks, signHeaders, signingFor } from "./signing.ts";

let sandbox: Sandbox;
const now = new Date("2026-11-22T12:00:00Z");

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: ["bucket"], clock: () => now });
});
afterAll(() => sandbox.close());

const signing = () => signingFor(sandbox, now);
const put = (options: Omit<SendOptions, "path"> = {}) =>
  send(sandbox, { path: "/bucket/key", body: Buffer.from("hello"), signing: signing(), ...options });

/**
 * Keys, region and times of the examples in "Signature Calculations for the Authorization Header" of the S3 API
 * Reference.
 */
const EXAMPLE = {
  credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
  region: "us-east-1",
  clock: () => new Date("2013-05-24T00:00:00Z"),
};
const CREDENTIAL = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function example(rawPath: string, rawQuery: string, headers: Record<string, string>, query: [string, string][] = []) {
  const method = "GET";
  return authenticate(
    { method, rawPath, rawQuery, query: new Map(query), headers: new Map(Object.entries(headers)) },
    EXAMPLE,
  );
}

describe("the published examples", () => {
  test("GET object with a range", () => {
    const headers = {
      host: "examplebucket.s3.amazonaws.com",
      range: "bytes=0-9",
      "x-amz-content-sha256": EMPTY,
      "x-amz-date": "20130524T000000Z",
      authorization: `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41`,
    };
    expect(example("/test.txt", "", headers).payload).toEqual({ kind: "hash", sha256: EMPTY });
    expect(() => example("/test2.txt", "", headers)).toThrow(
      expect.objectContaining({ code: "SignatureDoesNotMatch" }),
    );
  });

  test("GET bucket lifecycle: a query parameter without a value", () => {
    const headers = {
      host: "examplebucket.s3.amazonaws.com",
      "x-amz-content-sha256": EMPTY,
      "x-amz-date": "20130524T000000Z",
      authorization: `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543`,
    };
    expect(() => example("/", "lifecycle", headers, [["lifecycle", ""]])).not.toThrow();
    expect(() => example("/", "acl", headers, [["acl", ""]])).toThrow(
      expect.objectContaining({ code: "SignatureDoesNotMatch" }),
    );
  });

  test("presigned GET", () => {
    const query: [string, string][] = [
      ["X-Amz-Algorithm", "AWS4-HMAC-SHA256"],
      ["X-Amz-Credential", CREDENTIAL],
      ["X-Amz-Date", "20130524T000000Z"],
      ["X-Amz-Expires", "86400"],
      ["X-Amz-SignedHeaders", "host"],
      ["X-Amz-Signature", "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"],
    ];
    const rawQuery = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
    const headers = { host: "examplebucket.s3.amazonaws.com" };
    expect(example("/test.txt", rawQuery, headers, query).payload).toEqual({ kind: "unsigned" });
  });

  test("chunked upload: seed, two chunks and the final one", () => {
    const { chunkSigner, payload } = authenticate(
      {
        method: "PUT",
        rawPath: "/examplebucket/chunkObject.txt",
        rawQuery: "",
        query: new Map(),
        headers: new Map(
          Object.entries({
            host: "s3.amazonaws.com",
            "x-amz-date": "20130524T000000Z",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": "66560",
            "content-length": "66824",
            authorization: `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9`,
          }),
        ),
      },
      EXAMPLE,
    );
    expect(payload).toEqual({ kind: "chunked", signed: true, trailer: false });
    const hashOf = (size: number): string => createHash("sha256").update(Buffer.alloc(size, "a")).digest("hex");
    expect(chunkSigner.chunk(hashOf(65536))).toBe("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
    expect(chunkSigner.chunk(hashOf(1024))).toBe("0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
    expect(chunkSigner.chunk(hashOf(0))).toBe("b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
  });
});

describe("the Authorization header", () => {
  test("a good signature is accepted", async () => {
    expect(await put()).toMatchObject({ status: 200 });
  });

  test("a key, query and header that need encoding are accepted", async () => {
    const answer = await send(sandbox, {
      path: "/bucket/a%20b%2B%C3%BC//%27%28x%29%2A",
      query: [["x-id", "PutObject +&="]],
      headers: { "x-amz-meta-note": "two  spaces" },
      body: Buffer.from("x"),
      signing: signing(),
    });
    // The signer above does not collapse spaces, so the header must fail and the rest must pass.
    expect(answer.code).toBe("SignatureDoesNotMatch");
    const good = await send(sandbox, {
      path: "/bucket/a%20b%2B%C3%BC//%27%28x%29%2A",
      query: [["x-id", "PutObject +&="]],
      signing: signing(),
    });
    expect(good.status).toBe(200);
    expect(sandbox.objects("bucket").map((object) => object.key)).toContain("a b+ü//'(x)*");
  });

  test.each([
    ["a wrong secret", { secretAccessKey: "wrong" }, 403, "SignatureDoesNotMatch"],
    ["an unknown access key", { accessKeyId: "NOBODY" }, 403, "InvalidAccessKeyId"],
    ["another region", { region: "eu-west-1" }, 400, "AuthorizationHeaderMalformed"],
    ["a clock 16 minutes behind", { date: new Date(now.getTime() - 16 * 60_000) }, 403, "RequestTimeTooSkewed"],
    ["a clock 16 minutes ahead", { date: new Date(now.getTime() + 16 * 60_000) }, 403, "RequestTimeTooSkewed"],
  ])("%s is refused", async (_name, change, status, code) => {
    expect(await put({ signing: { ...signing(), ...change } })).toMatchObject({ status, code });
  });

  test("a clock 14 minutes off is fine", async () => {
    expect(await put({ signing: { ...signing(), date: new Date(now.getTime() - 14 * 60_000) } })).toMatchObject({
      status: 200,
    });
  });

  test("no authentication, an old mechanism and a malformed header are refused", async () => {
    const attempt = (headers: Record<string, string>) => raw(sandbox, { method: "GET", path: "/bucket/key", headers });
    expect(await attempt({})).toMatchObject({ status: 403, code: "AccessDenied" });
    expect(await attempt({ authorization: "AWS key:signature" })).toMatchObject({
      status: 400,
      code: "InvalidRequest",
    });
    expect(await attempt({ authorization: "AWS4-HMAC-SHA256 Credential=x" })).toMatchObject({
      status: 400,
      code: "AuthorizationHeaderMalformed",
    });
  });

  test("an x-amz- header outside the signature is refused", async () => {
    const { headers } = signHeaders(signing(), {
      method: "GET",
      path: "/bucket/key",
      headers: { host: `127.0.0.1:${sandbox.port}` },
      payloadHash: EMPTY,
    });
    const answer = await raw(sandbox, {
      method: "GET",
      path: "/bucket/key",
      headers: { ...headers, "x-amz-meta-sneaky": "1" },
    });
    expect(answer).toMatchObject({ status: 403, code: "AccessDenied" });
    expect(answer.body.toString()).toContain("<HeadersNotSigned>x-amz-meta-sneaky</HeadersNotSigned>");
  });

  test("a body that is not the signed one is refused and nothing is stored", async () => {
    const payloadHash = createHash("sha256").update("other").digest("hex");
    expect(
      await send(sandbox, { path: "/bucket/tampered", body: Buffer.from("hello"), payloadHash, signing: signing() }),
    ).toMatchObject({
      status: 400,
      code: "XAmzContentSHA256Mismatch",
    });
    expect(await sandbox.object("bucket", "tampered")).toBeUndefined();
  });

  test("a payload hash must be there and must be one", async () => {
    expect(await put({ payloadHash: "nonsense" })).toMatchObject({ status: 400, code: "InvalidArgument" });
    expect(await put({ payloadHash: "UNSIGNED-PAYLOAD" })).toMatchObject({ status: 200 });
  });
});

describe("session tokens", () => {
  test("a configured token must be sent", async () => {
    const credentials = { accessKeyId: "temporary", secretAccessKey: "secret", sessionToken: "token" };
    await using own = await startSandbox({ buckets: ["bucket"], credentials, clock: () => now });
    const get = (headers: Record<string, string>) =>
      send(own, { method: "GET", path: "/bucket", headers, signing: signingFor(own, now) });
    expect(await get({ "x-amz-security-token": "token" })).toMatchObject({ status: 200 });
    expect(await get({ "x-amz-security-token": "other" })).toMatchObject({ status: 400, code: "InvalidToken" });
    expect(await get({})).toMatchObject({ status: 400, code: "InvalidToken" });
  });
});

describe("presigned URLs", () => {
  const url = (change: Partial<Parameters<typeof presign>[1]> = {}, who = {}) =>
    presign(
      { ...signing(), ...who },
      { method: "PUT", path: "/bucket/presigned", host: `127.0.0.1:${sandbox.port}`, expires: 60, ...change },
    );
  const upload = (path: string) =>
    raw(sandbox, { method: "PUT", path, headers: { "content-length": "2" }, body: Buffer.from("ok") });

  test("a good one is accepted, with x-amz- parameters in the query", async () => {
    expect(await upload(url({ query: [["x-amz-meta-from", "query"]] }))).toMatchObject({ status: 200 });
    expect((await sandbox.object("bucket", "presigned"))?.metadata).toEqual({ from: "query" });
    expect(sandbox.requests.at(-1)?.path).not.toMatch(/X-Amz-Signature=[0-9a-f]/);
  });

  test.each([
    ["expired", () => url({}, { date: new Date(now.getTime() - 61_000) }), 403, "AccessDenied"],
    ["from the future", () => url({}, { date: new Date(now.getTime() + 16 * 60_000) }), 403, "RequestTimeTooSkewed"],
    ["signed with another secret", () => url({}, { secretAccessKey: "wrong" }), 403, "SignatureDoesNotMatch"],
    ["for another method", () => url({ method: "GET" }), 403, "SignatureDoesNotMatch"],
    ["valid for too long", () => url({ expires: 604_801 }), 400, "AuthorizationQueryParametersError"],
    [
      "incomplete",
      () => "/bucket/presigned?X-Amz-Algorithm=AWS4-HMAC-SHA256",
      400,
      "AuthorizationQueryParametersError",
    ],
  ])("one that is %s is refused", async (_name, make, status, code) => {
    expect(await upload(make())).toMatchObject({ status, code });
  });
});

describe("aws-chunked bodies", () => {
  const data = [Buffer.alloc(9000, "a"), Buffer.alloc(8192, "b"), Buffer.from("end")];
  const whole = Buffer.concat(data);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(whole));
  const trailer: [string, string] = ["x-amz-checksum-crc32", crc.toString("base64")];
  const wrong: [string, string] = ["x-amz-checksum-crc32", "AAAAAA=="];
  const SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

  async function upload(mode: string, build: (seed: string) => Buffer, headers: Record<string, string> = {}) {
    const unsigned = {
      host: `127.0.0.1:${sandbox.port}`,
      "content-encoding": "aws-chunked",
      "x-amz-decoded-content-length": String(whole.length),
      ...headers,
    };
    const signed = signHeaders(signing(), {
      method: "PUT",
      path: "/bucket/chunked",
      headers: unsigned,
      payloadHash: mode,
    });
    const body = build(signed.signature);
    return raw(sandbox, {
      method: "PUT",
      path: "/bucket/chunked",
      headers: { ...signed.headers, "content-length": String(body.length) },
      body,
    });
  }

  test("signed chunks are verified and decoded", async () => {
    expect(await upload(SIGNED, (seed) => signChunks(signing(), seed, data))).toMatchObject({ status: 200 });
    expect((await sandbox.object("bucket", "chunked"))?.body.equals(whole)).toBe(true);
  });

  test("signed chunks with a signed trailer", async () => {
    const announced = { "x-amz-trailer": trailer[0] };
    const good = await upload(`${SIGNED}-TRAILER`, (seed) => signChunks(signing(), seed, data, trailer), announced);
    expect(good.status).toBe(200);
    expect(good.headers["x-amz-checksum-crc32"]).toBe(trailer[1]);
    expect(
      await upload(`${SIGNED}-TRAILER`, (seed) => signChunks(signing(), seed, data, wrong), announced),
    ).toMatchObject({ code: "BadDigest" });
    const forged = (seed: string): Buffer =>
      Buffer.from(
        signChunks(signing(), seed, data, trailer).toString("latin1").replace(trailer[1], wrong[1]),
        "latin1",
      );
    expect(await upload(`${SIGNED}-TRAILER`, forged, announced)).toMatchObject({
      status: 403,
      code: "SignatureDoesNotMatch",
    });
  });

  test("unsigned chunks with a trailer", async () => {
    const mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    const announced = { "x-amz-trailer": trailer[0] };
    expect(await upload(mode, () => plainChunks(data, trailer), announced)).toMatchObject({ status: 200 });
    expect(await upload(mode, () => plainChunks(data, wrong), announced)).toMatchObject({
      status: 400,
      code: "BadDigest",
    });
    expect(await upload(mode, () => plainChunks(data, ["x-amz-checksum-crc32", "%"]), announced)).toMatchObject({
      code: "InvalidRequest",
    });
    expect(await upload(mode, () => plainChunks(data), announced)).toMatchObject({ code: "MalformedTrailerError" });
    expect(await upload(mode, () => plainChunks(data, trailer))).toMatchObject({ code: "MalformedTrailerError" });
    expect(await upload(mode, () => plainChunks(data, trailer), { "x-amz-trailer": "x-other" })).toMatchObject({
      code: "InvalidRequest",
    });
  });

  test("a tampered, reordered, cut or overlong chunk stream is refused", async () => {
    const sign = (seed: string): Buffer => signChunks(signing(), seed, data);
    const tampered = (seed: string): Buffer => {
      const body = sign(seed);
      body[body.indexOf("bbbb")] = 0x63;
      return body;
    };
    expect(await upload(SIGNED, tampered)).toMatchObject({ status: 403, code: "SignatureDoesNotMatch" });
    expect(await upload(SIGNED, () => plainChunks(data))).toMatchObject({ status: 403, code: "SignatureDoesNotMatch" });
    expect(await upload(SIGNED, (seed) => signChunks(signing(), seed, [...data].reverse()))).toMatchObject({
      code: "InvalidChunkSizeError",
    });
    expect(await upload(SIGNED, (seed) => sign(seed).subarray(0, 5000))).toMatchObject({
      status: 400,
      code: "IncompleteBody",
    });
    expect(await upload(SIGNED, (seed) => signChunks(signing(), seed, data.slice(0, 2)))).toMatchObject({
      status: 400,
      code: "IncompleteBody",
    });
    expect(await upload(SIGNED, (seed) => Buffer.concat([sign(seed), Buffer.from("more")]))).toMatchObject({
      code: "IncompleteBody",
    });
  });
});
