import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { resolveOptions } from "../../../core/src/service-options.ts";
import { engineOptions } from "../../src/assembly/service.ts";
import { loadConfig } from "../../src/config/load.ts";
import { SETTING_NAMES, settingOf } from "../../src/config/settings.ts";

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "bucketline-config-")));
});
afterEach(async () => await rm(folder, { recursive: true }));

const load = (more: Partial<Parameters<typeof loadConfig>[0]> = {}) =>
  loadConfig({ folder, environment: {}, flags: {}, ...more });

describe("what is in force", () => {
  test("is the defaults when nobody says anything", async () => {
    const { values, origins, file } = await load({ environment: { HOME: "/home/me" } });
    expect(file).toBeUndefined();
    expect(values).toMatchObject({
      databaseUrl: "sqlite:/home/me/.local/state/bucketline/uploads.db",
      dataFolder: "/home/me/.local/state/bucketline",
      concurrency: 5,
      monitorInterval: 60_000,
      listenPort: 8080,
    });
    expect(Object.keys(origins)).toEqual([...SETTING_NAMES]);
    expect(Object.values(origins).every(({ from }) => from === "default")).toBe(true);
  });

  test("has its data folder in the user's state folder, wherever it is called", async () => {
    const folderOf = async (environment: Record<string, string>) => (await load({ environment })).values.dataFolder;
    expect(await folderOf({ XDG_STATE_HOME: "/state", HOME: "/home/me" })).toBe("/state/bucketline");
    expect(await folderOf({ XDG_STATE_HOME: "state", HOME: "/home/me" })).toBe("/home/me/.local/state/bucketline");
    expect(await folderOf({})).toMatch(/^\/.*\/\.local\/state\/bucketline$/);
  });

  test("of the engine is what the library does by default", async () => {
    const stores = { state: {} as never, objects: {} as never, owner: "x", random: () => 0 };
    const plain = resolveOptions(stores);
    const ours = resolveOptions({ ...stores, ...engineOptions(await load()) });
    for (const options of [plain, ours])
      Object.assign(options, { owner: "", watcher: typeof options.watcher, fileSystem: null });
    expect(ours).toEqual(plain);
  });

  test("comes from flags before the environment before .env before bucketline.yaml", async () => {
    await writeFile(
      join(folder, "bucketline.yaml"),
      "transfer: { chunk_size: 1, worker_concurrency: 1, part_concurrency: 1, memory_limit: 1 }",
    );
    await writeFile(
      join(folder, ".env"),
      "CHUNK_SIZE=2\nWORKER_CONCURRENCY=2\nexport BUCKETLINE_PART_CONCURRENCY='2' # two\n",
    );
    const environment = { CHUNK_SIZE: "3", WORKER_CONCURRENCY: "3", BUCKETLINE_PART_CONCURRENCY: "" };
    const { values, origins, file } = await load({ environment, flags: { chunkSize: "4" } });
    expect(values).toMatchObject({ chunkSize: 4, concurrency: 3, partConcurrency: 2, memoryLimit: 1 });
    expect(origins).toMatchObject({
      chunkSize: { from: "flag", flag: "--chunk-size" },
      concurrency: { from: "environment", variable: "WORKER_CONCURRENCY" },
      partConcurrency: { from: ".env", variable: "BUCKETLINE_PART_CONCURRENCY" },
      memoryLimit: { from: "file", file: join(folder, "bucketline.yaml"), line: 1 },
      retryAttempts: { from: "default" },
    });
    expect(file).toBe(join(folder, "bucketline.yaml"));
  });

  test("takes the special AWS variable before the general one", async () => {
    const environment = { AWS_ENDPOINT_URL: "http://a", AWS_ENDPOINT_URL_S3: "http://b", AWS_DEFAULT_REGION: "c" };
    expect((await load({ environment })).values).toMatchObject({ endpointUrl: "http://b", region: "c" });
  });

  test("has paths of the file from the file's folder, and others from the working directory", async () => {
    await mkdir(join(folder, "etc"));
    await writeFile(join(folder, "etc", "b.yml"), "database_url: sqlite:///./x.db\nhttp: { roots: [data, /srv] }\n");
    const { values } = await load({ file: "etc/b.yml", environment: { BUCKETLINE_DATA: "here" } });
    expect(values).toMatchObject({
      databaseUrl: `sqlite:${folder}/etc/x.db`,
      roots: [`${folder}/etc/data`, "/srv"],
      dataFolder: `${folder}/here`,
    });
  });

  test("may name its file in the environment, which a flag overrides", async () => {
    await writeFile(join(folder, "a.conf"), "log_level: warn\n");
    await writeFile(join(folder, "b.conf"), "log_level: error\n");
    const environment = { BUCKETLINE_CONFIG: "a.conf" };
    expect((await load({ environment })).values.logLevel).toBe("warn");
    expect((await load({ environment, file: "b.conf" })).values.logLevel).toBe("error");
  });

  test("does not come from folders above", async () => {
    await writeFile(join(folder, "bucketline.yaml"), "log_level: warn\n");
    await mkdir(join(folder, "below"));
    expect((await load({ folder: join(folder, "below") })).file).toBeUndefined();
  });
});

describe("what is refused", () => {
  test("is named all at once, each with its source", async () => {
    await writeFile(join(folder, ".env"), "PORT=x\n");
    const flags = { chunkSize: "5 parsecs" };
    await expect(load({ environment: { LOG_LEVEL: "loud" }, flags })).rejects.toMatchObject({
      exitCode: 2,
      problems: [
        expect.stringMatching(/^Environment variable LOG_LEVEL must be one of .*, not "loud"\.$/),
        'Option --chunk-size must be a number of bytes, such as 8388608 or 8MiB, not "5 parsecs".',
        'Environment variable PORT (of .env) must be a whole number from 0 to 65535, not "x".',
      ],
    });
  });

  test("does not have its secret repeated", async () => {
    const refused = load({ environment: { DATABASE_URL: "mysql://user:hunter2@x" } });
    await expect(refused).rejects.toThrow("Environment variable DATABASE_URL must be sqlite:");
    await expect(refused).rejects.not.toThrow("hunter2");
  });

  test("is a file that is named and not there", async () => {
    await expect(load({ file: "nowhere.yaml" })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining("nowhere.yaml"),
    });
  });
});

test("every setting can be set in the environment and in the file, and is the same", async () => {
  const samples = {
    text: "x",
    file: "/x",
    ledger: "json:/x",
    list: "a,b",
    folders: "/a:/b",
    count: "7",
    duration: "7s",
    size: "7KiB",
    switch: "false",
  };
  const sections = new Map<string, string[]>();
  const environment: Record<string, string> = {};
  for (const setting of SETTING_NAMES.map(settingOf)) {
    const sample = setting.kind === "choice" ? (setting.choices[0] as string) : samples[setting.kind];
    environment[setting.env[0] as string] = sample;
    const [section = "", key] = setting.path.split(".");
    sections.set(key ? section : "", [
      ...(sections.get(key ? section : "") ?? []),
      `${key ? `  ${key}` : section}: ${sample}`,
    ]);
  }
  const yaml = [...sections]
    .map(([section, lines]) => [...(section ? [`${section}:`] : []), ...lines].join("\n"))
    .join("\n");
  await writeFile(join(folder, "all.yaml"), yaml);
  const fromFile = await load({ file: "all.yaml" });
  expect(Object.values(fromFile.origins).filter(({ from }) => from !== "file")).toEqual([]);
  expect((await load({ environment })).values).toEqual(fromFile.values);
});
