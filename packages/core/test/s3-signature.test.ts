import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { S3ObjectStore } from "../src/s3/index.ts";
import { encodeUri, type Header, RequestSigner } from "../src/s3/signature.ts";
import { forSeeds } from "./support/random.ts";
import { anyPart, anyPut } from "./support/s3-requests.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const EMPTY = sha256("");

/** S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk". */
const S3_EXAMPLES: [string, string, string, Header[], string, string][] = [
  [
    "PUT",
    "/test%24file.text",
    "",
    [
      ["date", "Fri, 24 May 2013 00:00:00 GMT"],
      ["x-amz-storage-class", "REDUCED_REDUNDANCY"],
    ],
    sha256("Welcome to Amazon S3."),
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  [
    "GET",
    "/test.txt",
    "",
    [["range", "bytes=0-9"]],
    EMPTY,
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  ["GET", "/", "lifecycle=", [], EMPTY, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
  ["GET", "/", "max-keys=2&prefix=J", [], EMPTY, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
];

/** AWS Signature Version 4 test suite: get-vanilla, -empty-query-key, -query-order-key-case, post-vanilla, get-header-value-trim … */
const SUITE: [string, string, string, Header[], string][] = [
  ["get-vanilla", "GET", "", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
  [
    "get-vanilla-empty-query-key",
    "GET",
    "Param1=value1",
    [],
    "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
  ],
  [
    "get-vanilla-query-order-key-case",
    "GET",
    "Param1=value1&Param2=value2",
    [],
    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  ],
  ["post-vanilla", "POST", "", [], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
  [
    "get-header-key-duplicate",
    "GET",
    "",
    [["my-header1", "value2,value2,value1"]],
    "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
  ],
  [
    "get-header-value-multiline",
    "GET",
    "",
    [["my-header1", "value1,value2,value3"]],
    "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790",
  ],
];

const byName = ([a]: Header, [b]: Header) => (a < b ? -1 : 1);

describe("published vectors", () => {
  test.each(S3_EXAMPLES)("S3: %s %s?%s", (method, path, query, more, payloadHash, signature) => {
    const date = "20130524T000000Z";
    const headers: Header[] = [
      ["host", "examplebucket.s3.amazonaws.com"],
      ["x-amz-content-sha256", payloadHash],
      ["x-amz-date", date],
      ...more,
    ];
    const authorization = new RequestSigner().authorization(
      { method, path, query, headers: headers.sort(byName), payloadHash },
      { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
      { region: "us-east-1", service: "s3" },
      date,
    );
    expect(authorization).toContain(`Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, `);
    expect(authorization).toMatch(new RegExp(`, Signature=${signature}$`));
  });

  test.each(SUITE)("%s", (_, method, query, more, signature) => {
    const date = "20150830T123600Z";
    const headers: Header[] = [["host", "example.amazonaws.com"], ["x-amz-date", date], ...more];
    const authorization = new RequestSigner().authorization(
      { method, path: "/", query, headers: headers.sort(byName), payloadHash: EMPTY },
      { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
      { region: "us-east-1", service: "service" },
      date,
    );
    expect(authorization).toMatch(new RegExp(`, Signature=${signature}$`));
  });
});

test("dates are those of their second, in any order", () => {
  const signer = new RequestSigner();
  expect(signer.dateOf(1_440_938_160_000)).toBe("20150830T123600Z");
  expect(signer.dateOf(1_440_938_160_999)).toBe("20150830T123600Z");
  expect(signer.dateOf(1_440_938_161_000)).toBe("20150830T123601Z");
  expect(signer.dateOf(1_440_938_159_999)).toBe("20150830T123559Z");
});

interface SdkRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Record<string, string>;
}

function canonicalQuery(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${encodeUri(name)}=${encodeUri(value)}`);
  return pairs.sort().join("&");
}

test("every request of the SDK gets the signature that the SDK's own signer gave it", async () => {
  // One signer for all: its cached key must never be that of other credentials, another day or another region.
  const signer = new RequestSigner();
  const secrets = ["secret", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "ü☃"];
  let signed = 0;
  await forSeeds(60, async (dice) => {
    const credentials = {
      accessKeyId: dice.pick(["AKID", "A/K+I=D"]),
      secretAccessKey: dice.pick(secrets),
      ...(dice.chance(0.5) && { sessionToken: "FwoGZXIvYXdzE//+==" }),
    };
    const requests: SdkRequest[] = [];
    const store = new S3ObjectStore({
      region: dice.pick(["eu-west-1", "us-east-1"]),
      credentials,
      ...(dice.chance(0.5) && { endpoint: dice.pick(["http://127.0.0.1:9", "https://store.example/prefix"]) }),
      forcePathStyle: dice.chance(0.5),
      signBodies: dice.chance(0.5),
      requestHandler: {
        handle: async (request: SdkRequest) => {
          requests.push(request);
          return { response: { statusCode: 200, headers: { etag: '"e"' }, body: new Uint8Array(0) } };
        },
      },
    });
    for (let n = 0; n < 4; n++) {
      await store.putObject(anyPut(dice, "bucket"));
      await store.uploadPart(anyPart(dice, "bucket"));
    }
    for (const { method, path, query, headers } of requests) {
      const { authorization, ...rest } = headers;
      const [, region = "", service = ""] = /\/\d{8}\/([^/]+)\/([^/]+)\//.exec(authorization ?? "") ?? [];
      const request = {
        method,
        path,
        query: canonicalQuery(query),
        headers: Object.entries(rest).sort(byName),
        payloadHash: rest["x-amz-content-sha256"] ?? "",
      };
      const date = rest["x-amz-date"] ?? "";
      expect(signer.authorization(request, credentials, { region, service }, date)).toBe(authorization);
      signed += 1;
    }
  });
  expect(signed).toBe(60 * 8);
});
