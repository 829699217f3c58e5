import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bed, linesOf, type Running } from "./support/program.ts";
import { stored, until } from "./support/traffic.ts";

let bed: Bed;
const AT_ONCE = ["--stability-threshold", "0", "--monitor-interval", "1s"];

beforeEach(async () => {
  bed = await Bed.open();
  await bed.write("photos/one.txt", "one");
  await bed.run(["register", "photos", "s3://my-bucket", "--id", "photos"]);
});

afterEach(async () => await bed.close());

describe("monitor", () => {
  test("follows what is registered, logs JSON to standard error, and ends well when it is told to", async () => {
    const running = bed.start(["monitor", ...AT_ONCE]);
    await until(() => stored(bed.sandbox).includes("one.txt"));
    await bed.write("photos/late.txt", "late");
    await until(() => stored(bed.sandbox).includes("late.txt"));
    running.process.kill("SIGTERM");
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    const log = stderr.split("\n").filter((line) => line.startsWith("{"));
    expect(linesOf(log.join("\n")).map(({ msg }) => msg)).toContain("upload:completed");
  });

  test("reads nothing outside the roots it is given", async () => {
    await bed.write("elsewhere/x.txt", "x");
    const running = bed.start(["monitor", ...AT_ONCE], { BUCKETLINE_ROOTS: `${bed.folder}/elsewhere` });
    await until(async () => (await bed.json(["status", "photos"]))[0]?.state === "FAILED");
    running.process.kill("SIGTERM");
    expect((await running.ended).code).toBe(0);
    expect(stored(bed.sandbox)).toEqual([]);
  });

  test("a pause by another process is heeded", async () => {
    const running = bed.start(["monitor", ...AT_ONCE]);
    await until(() => stored(bed.sandbox).includes("one.txt"));
    await bed.run(["pause", "photos"]);
    await bed.write("photos/late.txt", "late");
    // A sync shares the ledger, and works on nothing but its own.
    await bed.write("other/x.txt", "x");
    expect((await bed.run(["sync", "other", "s3://my-bucket/other"])).code).toBe(0);
    running.process.kill("SIGINT");
    expect((await running.ended).code).toBe(0);
    expect(stored(bed.sandbox)).toEqual(["one.txt", "other/x.txt"]);
  });
});

describe("serve", () => {
  const serve = async (args: readonly string[], environment: Record<string, string> = {}) => {
    const running = bed.start(["serve", "--port", "0", "--json", ...AT_ONCE, ...args], environment);
    let output = "";
    running.process.stdout.on("data", (text: string) => {
      output += text;
    });
    const url = await new Promise<string>((resolve, reject) => {
      running.process.stdout.on("data", () => {
        const line = output.split("\n").find((text) => text.includes('"listening"'));
        if (line) resolve((JSON.parse(line) as { url: string }).url);
      });
      void running.ended.then(({ stderr }) => reject(new Error(stderr)));
    });
    return { running, url };
  };
  const stop = async ({ process, ended }: Running) => {
    process.kill("SIGTERM");
    return await ended;
  };

  test("answers on this machine, works, and ends well when it is told to", async () => {
    await bed.write("more/two.txt", "two");
    const { running, url } = await serve(["--root", bed.folder, "--bucket", "my-bucket"]);
    expect(await (await fetch(`${url}/api/v1/uploads/photos`)).json()).toMatchObject({ upload_id: "photos" });
    const body = { upload_id: "more", source_folder: `${bed.folder}/more`, destination_bucket: "my-bucket" };
    const post = async (of: object) =>
      await fetch(`${url}/api/v1/uploads`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(of),
      });
    expect((await post(body)).status).toBe(201);
    expect((await post({ ...body, upload_id: "x", source_folder: "/etc" })).status).toBeGreaterThanOrEqual(400);
    expect((await post({ ...body, upload_id: "y", destination_bucket: "another" })).status).toBe(403);
    await until(() => stored(bed.sandbox).includes("more/two.txt"));
    const { code, stderr } = await stop(running);
    expect(code).toBe(0);
    expect(stderr).toContain('"msg":"upload:completed"');
  });

  test("beyond this machine only with auth, which is then demanded", async () => {
    const refused = await bed.run(["serve", "--port", "0", "--host", "0.0.0.0"]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("does not listen") });
    const sha256 = createHash("sha256").update("a-long-secret-token").digest("hex");
    const tokens = await bed.write("tokens.json", JSON.stringify([{ name: "reader", sha256, scopes: ["read"] }]));
    const { running, url } = await serve(["--host", "0.0.0.0", "--tokens-file", tokens]);
    const address = `http://127.0.0.1:${new URL(url).port}/api/v1/uploads`;
    expect((await fetch(address)).status).toBe(401);
    expect((await fetch(address, { headers: { authorization: "Bearer a-long-secret-token" } })).status).toBe(200);
    const { code, stdout, stderr } = await stop(running);
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain("a-long-secret-token");
  });

  test("below a prefix, from a flag or the environment; what is none: exit code 2", async () => {
    const { running, url } = await serve(["--prefix", "/x/y/"], { BUCKETLINE_PREFIX: "/z" });
    expect(new URL(url).pathname).toBe("/x/y");
    expect((await fetch(`${url}/api/v1/uploads/photos`)).status).toBe(200);
    expect((await fetch(new URL("/api/v1/uploads/photos", url))).status).toBe(404);
    await stop(running);
    const wrong = await bed.run(["serve", "--port", "0"], { BUCKETLINE_PREFIX: "x?y" });
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("prefix") });
  });

  test("a port that is taken, and a file that is no list: exit code 2, and no secret shown", async () => {
    const { running, url } = await serve([]);
    const taken = await bed.run(["serve", "--port", new URL(url).port]);
    expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining("EADDRINUSE") });
    await stop(running);
    const file = await bed.write("webhooks.json", '[{"secret": "whsec_oops"');
    const broken = await bed.run(["serve", "--port", "0", "--webhooks-file", file]);
    expect(broken).toMatchObject({ code: 2, stderr: expect.not.stringContaining("oops") });
  });
});
