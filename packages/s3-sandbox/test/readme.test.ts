import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPERATIONS } from "../src/operations.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("the README names every operation and every fault", () => {
  const faults = readFileSync(new URL("../src/faults.ts", import.meta.url), "utf8");
  const types = new Set(Array.from(faults.matchAll(/type: "(\w+)"/g), ([, type]) => type as string));
  expect(types.size).toBe(11);
  for (const name of [...OPERATIONS, ...[...types].map((type) => `type: "${type}"`)]) expect(readme).toContain(name);
});

test("the README's first example does what it says", async () => {
  const source = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] as string;
  const [expectedBody, expectedLedger] = Array.from(
    source.matchAll(/console\.log\(.*\); \/\/ (.*)/g),
    ([, output]) => output,
  );
  const { PutObjectCommand, S3Client } = await import("@aws-sdk/client-s3");
  const { startSandbox } = await import("../src/index.ts");
  await using sandbox = await startSandbox({ buckets: ["my-bucket"] });
  const s3 = new S3Client(sandbox.clientConfig);
  sandbox.fault({ operation: "PutObject", action: { type: "loseResponse" } });
  await s3.send(new PutObjectCommand({ Bucket: "my-bucket", Key: "hello.txt", Body: "hello" }));
  expect((await sandbox.object("my-bucket", "hello.txt"))?.body.toString()).toBe(expectedBody);
  expect(sandbox.requests.map((r) => `${r.operation} ${r.status} ${r.outcome}`)).toEqual(
    JSON.parse((expectedLedger as string).replaceAll("'", '"')),
  );
  s3.destroy();
});
