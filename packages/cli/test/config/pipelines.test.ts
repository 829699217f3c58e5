import { chmod } from "node:fs/promises";
import { Check } from "typebox/value";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseConfigFile } from "../../src/config/parse.ts";
import { fileSchema } from "../../src/config/schema.ts";
import { ConfigError } from "../../src/errors.ts";
import { Bed } from "../support/program.ts";

const FILE = "/srv/bucketline.yaml";

function problemsOf(text: string): readonly string[] {
  try {
    parseConfigFile(FILE, text);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const GOOD = `pipelines:
  documents:
    - sizeLimit: { max: 2GiB }
    - fileType: { allow: [application/pdf, image/*], extensionMustMatch: false }
    - clamav: { socket: /run/clamav/clamd.ctl, maxBytes: 1000 }
    - gzip
    - encrypt:
        keys: [{ id: k1, keyFile: keys/k1.key }]
        context: { application: archive }
  logs:
    steps: [zstd: { level: 9, keySuffix: .zst }, sha256: ~]
    spool: true
`;

describe("pipelines of bucketline.yaml", () => {
  test("are lists of steps with the options of the library", () => {
    const { pipelines } = parseConfigFile(FILE, GOOD);
    expect(pipelines).toEqual({
      documents: {
        spool: true,
        line: 2,
        steps: [
          { step: "sizeLimit", options: { max: 2 * 1024 ** 3 }, place: `${FILE}:3:7` },
          {
            step: "fileType",
            options: { allow: ["application/pdf", "image/*"], extensionMustMatch: false },
            place: `${FILE}:4:7`,
          },
          { step: "clamav", options: { socket: "/run/clamav/clamd.ctl", maxBytes: 1000 }, place: `${FILE}:5:7` },
          { step: "gzip", options: {}, place: `${FILE}:6:7` },
          {
            step: "encrypt",
            options: { keys: [{ id: "k1", keyFile: "/srv/keys/k1.key" }], context: { application: "archive" } },
            place: `${FILE}:7:7`,
          },
        ],
      },
      logs: {
        spool: true,
        line: 10,
        steps: [
          { step: "zstd", options: { level: 9, keySuffix: ".zst" }, place: `${FILE}:11:13` },
          { step: "sha256", options: {}, place: `${FILE}:11:50` },
        ],
      },
    });
  });

  test.each([[GOOD], ["pipelines:\n"], ["pipelines: {}\n"]])("%j is taken by the schema as by the program", (text) => {
    expect(Check(fileSchema(), parse(text) ?? {})).toBe(!text.endsWith("pipelines:\n"));
    expect(problemsOf(text)).toEqual([]);
  });

  test.each([
    ["  a: [gzipp]\n", '2:7: There is no step "gzipp". Did you mean gzip?'],
    ["  a: [resize]\n", '2:7: There is no step "resize". There are: sizeLimit, extensions,'],
    ["  a:\n    - gzip: { lvel: 3 }\n", '3:15: There is no option of step gzip "lvel". Did you mean level?'],
    ["  a:\n    - gzip: { level: 12 }\n", "3:22: gzip.level must be a whole number from 0 to 9, not 12."],
    ["  a:\n    - gzip: { level: high }\n", '3:22: gzip.level must be a whole number from 0 to 9, not "high".'],
    [
      "  a:\n    - sizeLimit: { max: lots }\n",
      "3:25: sizeLimit.max must be a number of bytes, such as 8388608 or 8MiB",
    ],
    ["  a:\n    - extensions: { allow: jpg }\n", "3:28: extensions.allow must be a list of texts, such as [jpg, png]"],
    ["  a:\n    - fileType: { unknown: maybe }\n", "3:28: fileType.unknown must be one of accept, reject"],
    ["  a:\n    - gzip: 6\n", "3:13: Step gzip must have options below it"],
    ["  a:\n    - [gzip]\n", "3:7: A step is its name, or `name: { option: value }`."],
    [
      "  a:\n    - { gzip: ~, zstd: ~ }\n",
      "3:7: A step is its name, or `name: { option: value }`. This one has several",
    ],
    ["  a: [encrypt]\n", "2:7: Step encrypt needs keys: a list of keys, such as"],
    ["  a: gzip\n", "2:6: Pipeline a must be a list of steps."],
    ["  a: []\n", "2:6: Pipeline a must be a list of steps."],
    ["  a:\n", "2:5: Pipeline a must be a list of steps."],
    ["  a b: [gzip]\n", '2:3: A pipeline\'s name has 1 to 64 letters, digits, ".", "_" and "-": "a b" is none.'],
    ["  a: { steps: [gzip], spol: no }\n", '2:23: There is no setting of a pipeline "spol". Did you mean spool?'],
    ["  a: { steps: [gzip], spool: 5 }\n", "2:23: spool of pipeline a must be true or false."],
    ["  - gzip\n", "2:3: pipelines must hold lists of steps by their names."],
  ])("%j is refused with its place", (text, problem) => {
    const problems = problemsOf(`pipelines:\n${text}`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${FILE}:${problem}`);
  });

  test("have all their problems named at once, and what may be a key not repeated", () => {
    const text =
      "pipelines:\n  a:\n    - encrypt: { keys: hunter2 }\n    - encrypt: { keys: [{ id: a, key: hunter2 }] }\n    - x\n";
    const problems = problemsOf(text);
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toContain("hunter2");
  });

  test("survive aliases that multiply", () => {
    const bomb = [
      "pipelines:\n  a: &a [x,x,x,x,x,x,x,x,x]",
      ...[..."bcdefghij"].map((name, at) => `  ${name}: &${name} [${Array(9).fill(`*${"abcdefghij"[at]}`)}]`),
    ];
    expect(problemsOf(`${bomb.join("\n")}\n  z: [extensions: { allow: *j }]\n`).length).toBeGreaterThan(0);
  });
});

describe("of the command line", () => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await Bed.open();
    await bed.write("bucketline.yaml", GOOD);
  });
  afterAll(async () => await bed.close());

  test.each([[["config"]], [["config", "--json"]]])("%j shows them, and not where keys are", async (args) => {
    const { code, stdout } = await bed.run(args);
    expect(code).toBe(0);
    expect(stdout).toContain("pipelines.documents");
    expect(stdout).toContain("k1");
    expect(stdout).not.toContain("k1.key");
  });

  test("config says where they come from", async () => {
    const { stdout } = await bed.run(["config"]);
    expect(stdout).toMatch(/^pipelines\.logs +zstd level=9 keySuffix=\.zst → sha256 +.*bucketline\.yaml:10$/m);
    const records = await bed.json(["config"]);
    expect(records.at(-1)).toEqual({
      setting: "pipelines.logs",
      value: { steps: [{ zstd: { level: 9, keySuffix: ".zst" } }, { sha256: {} }], spool: true },
      from: "file",
      name: `${bed.folder}/bucketline.yaml`,
      line: 10,
    });
  });

  test("the spool lies beside the ledger, where a reboot leaves it, unless it is set", async () => {
    const of = async (environment: Record<string, string>) => {
      const records = await bed.json(["config"], environment);
      return records.filter(({ setting }) => String(setting).startsWith("spool.")).map(({ value }) => value);
    };
    expect(await of({})).toEqual([`${bed.folder}/.local/state/bucketline/spool`, 17_179_869_184]);
    expect(await of({ BUCKETLINE_SPOOL_FOLDER: "/var/spool/b", BUCKETLINE_SPOOL_MAX_BYTES: "1GiB" })).toEqual([
      "/var/spool/b",
      1_073_741_824,
    ]);
  });

  test("options that make no sense together are refused with their place, before anything is done", async () => {
    const config = await bed.write("odd.yaml", "pipelines:\n  a:\n    - sizeLimit: { min: 5, max: 1 }\n    - clamav\n");
    await bed.write("photos/a.jpg", "a");
    const line = ["sync", "photos", "s3://my-bucket", "--pipeline", "a", "--config", config];
    const { code, stderr } = await bed.run(line);
    expect(code).toBe(2);
    expect(stderr).toContain("odd.yaml:3:7: Step sizeLimit: max is 1, less than min, which is 5.");
    expect(stderr).toContain("odd.yaml:4:7: Step clamav: give either socket or port");
  });

  test("doctor tells of scanners, keys and the spool", async () => {
    await bed.write("keys/k1.key", "x");
    const found = async () => {
      const { stdout } = await bed.run(["doctor", "--json"]);
      return stdout
        .split("\n")
        .filter((line) => line.includes('"pipelines"') && line.includes('"check"'))
        .map((line) => JSON.parse(line) as { level: string; message: string });
    };
    expect(await found()).toEqual([
      expect.objectContaining({ level: "ok", message: "2 pipelines: documents, logs." }),
      expect.objectContaining({
        level: "problem",
        message: expect.stringContaining("clamd at /run/clamav/clamd.ctl does not answer"),
      }),
      expect.objectContaining({ level: "problem", message: expect.stringContaining("the key must be 32 bytes") }),
      expect.objectContaining({ message: expect.stringContaining("The spool folder") }),
    ]);
    const key = await bed.write("keys/k1.key", "a".repeat(64));
    await chmod(key, 0o644);
    expect((await found())[2]).toMatchObject({
      level: "problem",
      message: "Key k1 can be read by others of this machine (mode 644).",
    });
    await chmod(key, 0o400);
    expect((await found())[2]).toMatchObject({ level: "ok", message: "Key k1 can be read, by its owner only." });
  });
});
