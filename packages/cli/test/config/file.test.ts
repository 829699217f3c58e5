import { describe, expect, test } from "vitest";
import { parseConfigFile } from "../../src/config/parse.ts";
import { ConfigError } from "../../src/errors.ts";

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

describe("bucketline.yaml", () => {
  test("holds settings with the lines they stand on", () => {
    const { values } = parseConfigFile(
      FILE,
      `# Comment
database_url: json:./state.json
transfer:
  chunk_size: 8MiB
  worker_concurrency: 9
monitor: { interval: 30, stability_threshold: 1.5, requeue_failed_after: 2h }
s3:
  path_style: true
http:
  roots: [/srv/a, /srv/b]
  buckets: a,b
`,
    );
    expect(Object.fromEntries(values)).toEqual({
      databaseUrl: { value: "json:./state.json", line: 2 },
      chunkSize: { value: 8_388_608, line: 4 },
      concurrency: { value: 9, line: 5 },
      monitorInterval: { value: 30_000, line: 6 },
      stabilityThreshold: { value: 1_500, line: 6 },
      requeueFailedAfter: { value: 7_200_000, line: 6 },
      pathStyle: { value: true, line: 8 },
      roots: { value: ["/srv/a", "/srv/b"], line: 10 },
      buckets: { value: ["a", "b"], line: 11 },
    });
  });

  test.each([[""], ["# nothing\n"], ["---\n"], ["transfer:\n"], ["log_level:\nhttp: ~\n"]])(
    "may say nothing: %j",
    (text) => {
      expect(parseConfigFile(FILE, text).values.size).toBe(0);
    },
  );

  test("may use anchors", () => {
    const { values } = parseConfigFile(FILE, "transfer: &a { chunk_size: &size 8MiB, memory_limit: *size }\n");
    expect(values.get("memoryLimit")).toEqual({ value: 8_388_608, line: 1 });
  });

  test.each([
    [
      "transfer:\n  chunksize: 8MiB\n",
      '2:3: There is no setting "transfer.chunksize". Did you mean transfer.chunk_size?',
    ],
    ["database_ur: x\n", '1:1: There is no setting "database_ur". Did you mean database_url?'],
    ["chunk_size: 8MiB\n", '1:1: There is no setting "chunk_size". Did you mean transfer.chunk_size?'],
    ["tranfser:\n  chunk_size: 1\n", '1:1: There is no setting "tranfser". Did you mean transfer?'],
    ["wholly_unheard_of_thing: 1\n", '1:1: There is no setting "wholly_unheard_of_thing".'],
    ["http:\n  port: eighty\n", '2:9: http.port must be a whole number from 0 to 65535, not "eighty".'],
    ["http:\n  port: 70000\n", "2:9: http.port must be a whole number from 0 to 65535, not 70000."],
    ["http:\n  port: [80]\n", "2:9: http.port must be a whole number from 0 to 65535, not a list."],
    ["http:\n  roots: [/a, 5]\n", "2:10: http.roots must be a list of folders, such as /srv/a:/srv/b, not a list."],
    ["transfer: 5\n", "1:11: transfer must hold settings below it, each as `name: value`, not a number."],
    [
      "transfer:\n  worker_concurrency: 0\n",
      "2:23: transfer.worker_concurrency must be a whole number, 1 or more, not 0.",
    ],
    [
      "monitor:\n  interval: soon\n",
      '2:13: monitor.interval must be a duration, such as 60 (seconds), 90s, 5m or 1h, not "soon".',
    ],
    ["monitor:\n  events: 'no'\n", '2:11: monitor.events must be true or false, not "no".'],
    ["log_level: loud\n", '1:12: log_level must be one of trace, debug, info, warn, error, fatal, silent, not "loud".'],
    ["s3:\n  profile: 5\n", "2:12: s3.profile must be a text that is not empty, not 5."],
    ["- a\n", "1:1: The file must hold settings, each as `name: value`."],
    ["? [a]\n: b\n", "1:3: The name of a setting must be a text."],
    ["s3:\n  region: a\n  region: b\n", "3:3: Map keys must be unique."],
    ["database_url: 'json:x\n", "Missing closing 'quote."],
  ])("%j is refused with its place", (text, problem) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
    expect(problems[0]).toMatch(/^\/srv\/bucketline\.yaml:\d+:\d+: /);
  });

  test("has all its problems named at once", () => {
    expect(problemsOf("a_b_c_d_e_f: 1\nhttp:\n  port: x\n  prot: 1\n")).toHaveLength(3);
  });

  test("does not have its secrets repeated", () => {
    const [problem = ""] = problemsOf("s3:\n  secret_access_key: [hunter2]\ndatabase_url: mysql://hunter2@x\n");
    expect(problem).toContain("not a list");
    expect(problemsOf("database_url: mysql://user:hunter2@x\n").join()).not.toContain("hunter2");
    expect(problemsOf("http:\n  token_sha256: 12345678901\n").join()).not.toContain("12345678901");
  });

  test("is shown harmless", () => {
    expect(problemsOf('"\\e]0;x\\a": 1\n').join()).not.toContain("\u001b");
  });

  test("survives aliases that multiply", () => {
    const bomb = [
      "a: &a [x,x,x,x,x,x,x,x,x]",
      ...[..."bcdefghij"].map((name, at) => `${name}: &${name} [${Array(9).fill(`*${"abcdefghij"[at]}`)}]`),
    ];
    expect(problemsOf(`${bomb.join("\n")}\nhttp: { roots: *j }\n`).length).toBeGreaterThan(0);
  });
});
