import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { JsonStateStore } from "@bucketline/store-json";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EXIT } from "../src/errors.ts";
import { COMMANDS } from "../src/program.ts";
import { Bed, FROM_SOURCES, linesOf, MAIN } from "./support/program.ts";

let bed: Bed;
beforeEach(async () => {
  bed = await Bed.open();
  await bed.write("photos/a.jpg", "a jpeg");
});
afterEach(async () => await bed.close());

const REGISTER = ["register", "photos", "s3://my-bucket", "--id", "photos"];

describe("2: usage or configuration", () => {
  test.each([
    [["status", "--config", "nowhere.yaml"], {}, "CONFIG"],
    [["status"], { CHUNK_SIZE: "5 parsecs" }, "CONFIG"],
    [["status"], { DATABASE_URL: "mysql://x" }, "CONFIG"],
    [["register", "photos", "my-bucket"], {}, "USAGE"],
    [["register", "photos", "s3://my-bucket/{id}"], {}, "USAGE"],
    [["register", "photos", "s3://my-bucket", "--tag", "novalue"], {}, "USAGE"],
    [["register", "photos", "s3://my-bucket"], { AWS_ENDPOINT_URL: "s3.example.net" }, "USAGE"],
    [["register", "nowhere", "s3://my-bucket"], {}, "SOURCE_NOT_FOUND"],
    [["register", "photos", "s3://my-bucket", "--schedule", "often"], {}, "INVALID_OPTION"],
    [["register", "photos", "s3://my-bucket", "--id", "a b"], {}, "INVALID_OPTION"],
  ])("%j with %j: %s", async (args, environment, code) => {
    const { code: exit, stdout, stderr } = await bed.run([...args, "--json"], environment);
    expect(linesOf(stderr)).toMatchObject([{ error: { code } }]);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
  });

  test("an upload that is not there", async () => {
    await bed.json(REGISTER);
    for (const command of ["status", "files", "pause", "resume", "retry", "cancel"]) {
      const { code, stderr } = await bed.run([command, "other", "--json"]);
      expect(linesOf(stderr), command).toMatchObject([
        { error: { code: "UPLOAD_NOT_FOUND", remedy: expect.stringContaining("List") } },
      ]);
      expect(code).toBe(2);
    }
    expect((await bed.run(["files", "photos", "nowhere.jpg"])).code).toBe(2);
  });

  test("a bucketline.yaml is named with line and column", async () => {
    await bed.write("bucketline.yaml", "transfer:\n  chunksize: 8MiB\n");
    const { code, stderr } = await bed.run(["status"]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      `error: ${bed.folder}/bucketline.yaml:2:3: There is no setting "transfer.chunksize". Did you mean transfer.chunk_size?`,
    );
  });
});

describe("3: bucket or ledger out of reach", () => {
  test("a ledger that is not there is not made by looking for it", async () => {
    for (const args of [["status"], ["ls"], ["files", "x"], ["pause", "x"], ["cancel", "x"]]) {
      const { code, stderr } = await bed.run([...args, "--json"]);
      expect(linesOf(stderr)).toMatchObject([{ error: { code: "NO_LEDGER" } }]);
      expect(code).toBe(3);
    }
    await expect(readFile(join(bed.folder, ".local/state/bucketline/uploads.db"))).rejects.toThrow("ENOENT");
  });

  test("a ledger that is damaged", async () => {
    await bed.write("uploads.db", "this is no database, and it is long enough to be one");
    const { code, stderr } = await bed.run(["status", "--json"], { DATABASE_URL: "sqlite:uploads.db" });
    expect(linesOf(stderr)).toMatchObject([{ error: { code: "STATE_CORRUPT" } }]);
    expect(code).toBe(3);
  });

  test("a JSON ledger that somebody has, who is named, and what to do", async () => {
    const store = new JsonStateStore(join(bed.folder, "state.json"));
    await store.open();
    try {
      const { code, stderr } = await bed.run(["status"], { DATABASE_URL: "json:state.json" });
      expect(code).toBe(3);
      expect(stderr).toContain(String(process.pid));
      expect(stderr).toContain("A JSON ledger serves one process at a time.");
    } finally {
      await store.close();
    }
  });

  test("a server that does not answer, whose password nobody sees", async () => {
    const url = "postgres://someone:hunter2@127.0.0.1:1/uploads";
    const { code, stderr } = await bed.run(["status", "--json"], { DATABASE_URL: url });
    expect(linesOf(stderr)).toMatchObject([{ error: { code: "STATE_UNAVAILABLE" } }]);
    expect(code).toBe(3);
    expect(stderr).not.toContain("hunter2");
  });

  test("a bucket that is not there", async () => {
    const { code, stderr } = await bed.run(["register", "photos", "s3://other-bucket", "--json"]);
    expect(linesOf(stderr)).toMatchObject([{ error: { code: "BUCKET_NOT_FOUND" } }]);
    expect(code).toBe(3);
  });
});

describe("130: interrupted", () => {
  test("Ctrl-C ends a command that waits, and says so", async () => {
    bed.sandbox.fault({ operation: "HeadBucket", action: { type: "silence" } });
    const { process: child, ended } = bed.start(REGISTER);
    while (!bed.sandbox.requests.some(({ operation }) => operation === "HeadBucket"))
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain("Stopped by Ctrl-C.");
  });
});

describe("a closed pipe", () => {
  test("ends a command without a word", async () => {
    const command = `"$NODE" ${FROM_SOURCES.join(" ")} "${MAIN}"`;
    const script = `set -o pipefail; { ${command} config; echo "$?" >&3; } 3>code | true`;
    const { stderr } = await promisify(execFile)("bash", ["-c", script], {
      cwd: bed.folder,
      env: { ...bed.environment, NODE: process.execPath },
    }).catch((error: { stderr: string }) => error);
    expect(stderr).toBe("");
    expect([0, EXIT.brokenPipe]).toContain(Number(await readFile(join(bed.folder, "code"), "utf8")));
  });

  test("of errors does no harm either", async () => {
    const { process: child, ended } = bed.start(["status"]);
    child.stderr.destroy();
    expect((await ended).code).toBe(3);
  });
});

describe("docs/cli.md", () => {
  const page = () => readFile(new URL("../../../docs/cli.md", import.meta.url), "utf8");

  test("lists every exit code, and no other", async () => {
    const codes = [...(await page()).matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(EXIT));
  });

  test("lists every command as help does", async () => {
    const rows = [...(await page()).matchAll(/^\| `bucketline ([^`]+)` \| (.+) \|$/gm)].map(([, line, says]) => [
      line,
      says,
    ]);
    const commands = COMMANDS.map(({ name, operands = [], summary }) => [
      [name, ...operands.map((operand) => (operand.isOptional ? `[${operand.name}]` : `<${operand.name}>`))].join(" "),
      summary,
    ]);
    expect(rows).toEqual(commands);
  });
});
