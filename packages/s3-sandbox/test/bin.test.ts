import { expect, test } from "vitest";
import { run, startProcess } from "./process.ts";
import { send } from "./signing.ts";

test("starts, says where, serves, and ends at SIGTERM with an open connection", async () => {
  await using server = await startProcess(["--bucket", "one", "--bucket", "two", "--region", "eu-west-1"]);
  expect(server.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(server.buckets).toEqual(["one", "two"]);
  expect(server.address.region).toBe("eu-west-1");
  expect(await send(server.address, { path: "/two/key", body: Buffer.from("x") })).toMatchObject({ status: 200 });
  // Announces a body that never comes.
  const hanging = fetch(`${server.endpoint}/one/x`, {
    method: "PUT",
    body: new ReadableStream({}),
    duplex: "half",
  } as RequestInit).catch(() => "cut");
  expect(await server.stop("SIGTERM")).toEqual({ code: 0, signal: null });
  await hanging;
});

test("help goes to stdout, mistakes to stderr with status 2", async () => {
  expect(await run(["--help"])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("--request-log"),
    stderr: "",
  });
  expect(await run(["--nonsense"])).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringContaining("--nonsense"),
  });
  expect(await run(["--port", "http"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--port") });
  expect(await run(["--bucket", "NO"])).toMatchObject({ code: 1, stderr: expect.stringContaining("NO") });
});
