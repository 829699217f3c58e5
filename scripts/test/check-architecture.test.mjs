import { describe, expect, it } from "vitest";
import { violations } from "../check-architecture.mjs";

const manifest = {
  name: "@bucketline/core",
  dependencies: { "@aws-sdk/client-s3": "^3.0.0", picomatch: "^4.0.0" },
  devDependencies: { "@types/picomatch": "^4.0.0", memfs: "^4.0.0" },
};

function check(path, text, { folder = "core", ...extra } = {}) {
  return violations({ package: folder, path, text }, { ...manifest, ...extra }).map(({ message }) => message);
}

describe("imports", () => {
  it.each([
    ["engine imports the AWS SDK", "worker.ts", 'import { S3Client } from "@aws-sdk/client-s3";', "AWS SDK"],
    ["engine imports an HTTP client", "worker.ts", 'import { Client } from "undici";', "undici"],
    ["even as a type", "worker.ts", 'import type { S3Client } from "@aws-sdk/client-s3";', "AWS SDK"],
    ["or as an import type", "worker.ts", 'let c: import("@aws-sdk/client-s3").S3Client;', "AWS SDK"],
    ["or re-exports it", "index.ts", 'export * from "@aws-sdk/client-s3";', "AWS SDK"],
    ["or imports it late", "worker.ts", 'await import("@aws-sdk/client-s3");', "AWS SDK"],
    ["engine imports s3/", "service.ts", 'import { S3ObjectStore } from "./s3/index.ts";', "must not depend on s3/"],
    [
      "engine imports testing/",
      "service.ts",
      'import { faulty } from "./testing/index.ts";',
      "must not depend on testing/",
    ],
    [
      "s3 imports testing/",
      "s3/store.ts",
      'import { faulty } from "../testing/index.ts";',
      "must not depend on testing/",
    ],
    ["core imports a store", "service.ts", 'import { S } from "@bucketline/store-sqlite";', "no other package"],
    ["a package leaves its src", "service.ts", 'import x from "../../http/src/index.ts";', "outside src/"],
    ["undeclared dependency", "scan.ts", 'import glob from "fast-glob";', "not in its package.json"],
    ["development dependency at run time", "scan.ts", 'import { vol } from "memfs";', "not in its package.json"],
    ["built-in without its prefix", "scan.ts", 'import { join } from "path";', "node:path"],
    ["file system past its port", "scan.ts", 'import { open } from "node:fs/promises";', "FileSystem port"],
    ["timers module", "scan.ts", 'import { setTimeout as wait } from "node:timers/promises";', "Clock port"],
    ["random source", "upload.ts", 'import { randomUUID } from "node:crypto";', "injected Random"],
  ])("refuses: %s", (_name, path, text, message) => {
    expect(check(path, text)).toEqual([expect.stringContaining(message)]);
  });

  it.each([
    ["s3 imports the AWS SDK", "s3/store.ts", 'import { S3Client } from "@aws-sdk/client-s3";'],
    ["s3 imports the engine", "s3/store.ts", 'import { E } from "../errors.ts";'],
    ["testing imports the engine", "testing/store.ts", 'import { E } from "../errors.ts";'],
    ["declared dependency", "scan.ts", 'import picomatch from "picomatch";'],
    ["types of the file system", "scan.ts", 'import type { BigIntStats } from "node:fs";'],
    ["file system in its port", "node-file-system.ts", 'import { open } from "node:fs/promises";'],
    ["hashes", "checksum.ts", 'import { createHash } from "node:crypto";'],
    ["random source in its place", "random.ts", 'import { randomUUID } from "node:crypto";'],
  ])("accepts: %s", (_name, path, text) => {
    expect(check(path, text)).toEqual([]);
  });

  it("keeps adapters apart", () => {
    const store = {
      folder: "store-sqlite",
      name: "@bucketline/store-sqlite",
      peerDependencies: { "@bucketline/core": "*" },
    };
    expect(check("store.ts", 'import { E } from "@bucketline/core";', store)).toEqual([]);
    expect(check("store.ts", 'import { J } from "@bucketline/store-json";', store)).toEqual([
      "imports @bucketline/store-json: packages/store-sqlite may import core",
    ]);
  });

  it("asks for a layer before it accepts a new package", () => {
    expect(check("index.ts", "", { folder: "unheard-of" })).toEqual([
      expect.stringContaining("no entry in the layers"),
    ]);
  });
});

describe("time and randomness in core", () => {
  it.each([
    "const t = Date.now();",
    "const now = Date.now;",
    "const d = new Date();",
    "setTimeout(f, 1);",
    "const id = globalThis.setInterval(f, 1);",
    "const timers = { setTimeout };",
    "const t = performance.now();",
    "const t = process.hrtime.bigint();",
    "const s = AbortSignal.timeout(5);",
    "const r = Math.random();",
    "const id = crypto.randomUUID();",
  ])("refuses %s", (text) => {
    expect(check("retry.ts", text)).toHaveLength(1);
    expect(check("s3/store.ts", text)).toHaveLength(1);
  });

  it.each([
    "clock.setTimeout(f, 1);",
    "const d = new Date(ms);",
    "interface Clock { setTimeout(f: () => void): void }",
    "const fake = { setTimeout: 1 };",
    "type Timer = ReturnType<typeof setTimeout>;",
    "Math.max(1, 2);",
    "// Date.now() would be wrong here",
    'const text = "Math.random()";',
  ])("accepts %s", (text) => {
    expect(check("retry.ts", text)).toEqual([]);
  });

  it("leaves the clock, the random source, the test doubles and other packages alone", () => {
    expect(check("clock.ts", "setTimeout(f, 1); Date.now();")).toEqual([]);
    expect(check("random.ts", "Math.random();")).toEqual([]);
    expect(check("random.ts", "Date.now();")).toHaveLength(1);
    expect(check("testing/clock.ts", "Date.now();")).toEqual([]);
    expect(check("server.ts", "Date.now();", { folder: "s3-sandbox", name: "@bucketline/s3-sandbox" })).toEqual([]);
  });

  it("names the line", () => {
    expect(violations({ package: "core", path: "a.ts", text: "\n\nDate.now();" }, manifest)).toEqual([
      { line: 3, message: "uses Date.now: take the time from the Clock port" },
    ]);
  });
});
