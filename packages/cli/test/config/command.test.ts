import { readFile } from "node:fs/promises";
import { Check } from "typebox/value";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { fileSchema } from "../../src/config/schema.ts";
import { SETTING_NAMES, settingOf } from "../../src/config/settings.ts";
import { settingsTable } from "../../src/config/table.ts";
import { Bed } from "../support/program.ts";

const SECRETS = {
  DATABASE_URL: "postgres://someone:secret-1@db.example.net/uploads",
  AWS_ACCESS_KEY_ID: "secret-2",
  AWS_SECRET_ACCESS_KEY: "secret-3",
  AWS_SESSION_TOKEN: "secret-4",
  BUCKETLINE_TOKEN_SHA256: "secret-5",
};

let bed: Bed;
beforeAll(async () => {
  bed = await Bed.open();
  await bed.write("bucketline.yaml", "monitor:\n  interval: 5m\n");
  await bed.write(".env", "WORKER_CONCURRENCY=7\n");
});
afterAll(async () => await bed.close());

test("shows every setting, its value and its source", async () => {
  const records = await bed.json(["config", "--log-level", "warn"]);
  expect(records.map(({ setting }) => setting)).toEqual(SETTING_NAMES.map((name) => settingOf(name).path));
  const of = (path: string) => records.find(({ setting }) => setting === path);
  const file = `${bed.folder}/bucketline.yaml`;
  expect(of("monitor.interval")).toEqual({
    setting: "monitor.interval",
    value: 300_000,
    from: "file",
    name: file,
    line: 2,
  });
  expect(of("transfer.worker_concurrency")).toMatchObject({ value: 7, from: ".env", name: "WORKER_CONCURRENCY" });
  expect(of("log_level")).toMatchObject({ value: "warn", from: "flag", name: "--log-level" });
  expect(of("s3.region")).toMatchObject({ value: "us-east-1", from: "environment", name: "AWS_REGION" });
  expect(of("transfer.bandwidth_limit")).toEqual({ setting: "transfer.bandwidth_limit", value: null, from: "default" });
});

test("shows the same to people", async () => {
  const { code, stdout, stderr } = await bed.run(["config"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^monitor\.interval +5m +.*bucketline\.yaml:2$/m);
  expect(stdout).toMatch(/^transfer\.worker_concurrency +7 +\.env: WORKER_CONCURRENCY$/m);
  expect(stdout).toMatch(/^transfer\.chunk_size +5MiB +default$/m);
});

test.each([[["config"]], [["config", "--json"]]])("%j shows no secret", async (args) => {
  const { code, stdout, stderr } = await bed.run(args, SECRETS);
  expect(code).toBe(0);
  expect(stdout).toContain("postgres://someone:********@db.example.net/uploads");
  expect(stdout + stderr).not.toContain("secret-");
});

test("--schema prints a schema that takes what the file takes", async () => {
  const { stdout } = await bed.run(["config", "--schema"]);
  const schema = JSON.parse(stdout);
  expect(schema).toEqual(JSON.parse(JSON.stringify(fileSchema())));
  expect(Check(schema, parse("monitor: { interval: 5m }\nhttp: { roots: [a] }\n"))).toBe(true);
  expect(Check(schema, parse("monitor: { intervall: 5m }\n"))).toBe(false);
  expect(Check(schema, parse("http: { port: eighty }\n"))).toBe(false);
});

test("docs/cli-configuration.md has the table of the settings", async () => {
  const page = await readFile(new URL("../../../../docs/cli-configuration.md", import.meta.url), "utf8");
  const [, table] = /<!-- settings -->\n([\s\S]*)<!-- end of settings -->/.exec(page) ?? [];
  expect(table?.trim()).toBe(settingsTable().trim());
  expect((await bed.run(["config", "--table"])).stdout).toBe(settingsTable());
});
