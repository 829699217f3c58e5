import { ListObjectsCommand, ListObjectsV2Command, type ListObjectsV2CommandInput, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sandbox, startSandbox } from "../src/index.ts";
import { compareKeys, KeyIndex } from "../src/keys.ts";
import { listPage } from "../src/listing.ts";
import { send } from "./signing.ts";

let sandbox: Sandbox;
let s3: S3Client;

beforeAll(async () => {
  sandbox = await startSandbox({ buckets: ["many", "odd"] });
  s3 = new S3Client(sandbox.clientConfig);
  const keys = Array.from(
    { length: 2050 },
    (_, index) => `f${String(index % 41).padStart(2, "0")}/${String(index).padStart(4, "0")}`,
  );
  for (let at = 0; at < keys.length; at += 50) {
    await Promise.all(keys.slice(at, at + 50).map((key) => send(sandbox, { path: `/many/${key}` })));
  }
});
afterAll(async () => {
  s3.destroy();
  await sandbox.close();
});

async function pages(input: ListObjectsV2CommandInput) {
  const result = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.send(new ListObjectsV2Command({ ...input, ContinuationToken }));
    result.push(page);
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
  return result;
}

describe("ListObjectsV2", () => {
  test("2,050 keys come in three pages, each once, in order", async () => {
    const result = await pages({ Bucket: "many" });
    expect(result.map((page) => [page.KeyCount, page.IsTruncated])).toEqual([
      [1000, true],
      [1000, true],
      [50, false],
    ]);
    const keys = result.flatMap((page) => page.Contents?.map((entry) => entry.Key) ?? []);
    expect(keys).toEqual(sandbox.objects("many").map((object) => object.key));
    expect(new Set(keys).size).toBe(2050);
    expect(keys).toEqual([...keys].sort());
  });

  test("common prefixes are paged like keys", async () => {
    const result = await pages({ Bucket: "many", Delimiter: "/", MaxKeys: 15 });
    expect(result.map((page) => page.KeyCount)).toEqual([15, 15, 11]);
    const prefixes = result.flatMap((page) => page.CommonPrefixes?.map((entry) => entry.Prefix) ?? []);
    expect(prefixes).toEqual(Array.from({ length: 41 }, (_, index) => `f${String(index).padStart(2, "0")}/`));
  });

  test("prefix, start-after and max-keys 0", async () => {
    const [page] = await pages({ Bucket: "many", Prefix: "f07/", StartAfter: "f07/0200" });
    expect(page?.Contents?.[0]?.Key).toBe("f07/0212");
    const none = await s3.send(new ListObjectsV2Command({ Bucket: "many", MaxKeys: 0 }));
    expect(none).toMatchObject({ KeyCount: 0, IsTruncated: false });
    const past = await s3.send(new ListObjectsV2Command({ Bucket: "many", Delimiter: "/", StartAfter: "f39/" }));
    expect(past.CommonPrefixes).toEqual([{ Prefix: "f40/" }]);
  });

  test("a token that is not ours, a bad number and a bad encoding are refused", async () => {
    const attempt = (name: string, value: string) =>
      send(sandbox, {
        method: "GET",
        path: "/many",
        query: [
          ["list-type", "2"],
          [name, value],
        ],
      });
    for (const [name, value] of [
      ["continuation-token", "AAAA"],
      ["max-keys", "-1"],
      ["max-keys", "many"],
      ["encoding-type", "base64"],
    ] as const) {
      expect(await attempt(name, value)).toMatchObject({ status: 400, code: "InvalidArgument" });
    }
  });

  test("keys are in UTF-8 byte order, and odd ones survive, plain or URL-encoded", async () => {
    const odd = ["\u{1F600}", "\uFF5E", "a b+c", "a&b<c>", "Z", "a", "line\nbreak", "bell\u0007", "é/ü"];
    for (const key of odd) {
      await send(sandbox, { path: `/odd/${encodeURIComponent(key).replaceAll("%2F", "/")}` });
    }
    const byBytes = [...odd].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(sandbox.objects("odd").map((object) => object.key)).toEqual(byBytes);
    const encoded = await s3.send(new ListObjectsV2Command({ Bucket: "odd", EncodingType: "url" }));
    expect(encoded.Contents?.map((entry) => decodeURIComponent((entry.Key as string).replaceAll("+", " ")))).toEqual(
      byBytes,
    );
    const plain = await s3.send(new ListObjectsV2Command({ Bucket: "odd", Prefix: "a" }));
    expect(plain.Contents?.map((entry) => entry.Key)).toEqual(["a", "a b+c", "a&b<c>"]);
  });
});

test("ListObjects goes on by marker", async () => {
  const first = await s3.send(new ListObjectsCommand({ Bucket: "many", Delimiter: "/", MaxKeys: 20 }));
  expect(first.NextMarker).toBe("f19/");
  const second = await s3.send(new ListObjectsCommand({ Bucket: "many", Delimiter: "/", Marker: first.NextMarker }));
  expect(second.CommonPrefixes?.length).toBe(21);
  const flat = await s3.send(new ListObjectsCommand({ Bucket: "many", Marker: "f40/2049" }));
  expect(flat.Contents).toBeUndefined();
});

describe("the key index", () => {
  test("agrees with a sorted list through random adds and deletes", () => {
    let state = 12345;
    const random = (limit: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % limit;
    };
    const letters = ["a", "b", "/", "\u{10000}", "\uE000", "é"];
    const index = new KeyIndex();
    const model = new Set<string>();
    for (let step = 0; step < 3000; step++) {
      const key = Array.from({ length: 1 + random(4) }, () => letters[random(letters.length)]).join("");
      if (random(3) === 0) {
        index.delete(key);
        model.delete(key);
      } else {
        index.add(key);
        model.add(key);
      }
      if (step % 50 !== 0) continue;
      const expected = [...model].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect([...index.from(() => false)]).toEqual(expected);
      const after = expected[random(expected.length)] ?? "";
      expect([...index.from((other) => compareKeys(other, after) <= 0)]).toEqual(
        expected.slice(expected.indexOf(after) + 1),
      );
      const page = listPage(index, { prefix: "", delimiter: "/", after: "", afterPrefix: false, limit: 10_000 });
      const rolled = new Set(
        expected.map((other) => (other.includes("/") ? other.slice(0, other.indexOf("/") + 1) : other)),
      );
      expect(page.entries.map((entry) => ("key" in entry ? entry.key : entry.prefix))).toEqual([...rolled]);
    }
  });
});
