import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Environment } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { assessSkew } from "../../src/doctor/bucket/clock.ts";
import { skewOf } from "../../src/doctor/bucket/dates.ts";
import { assessCredentials, credentialsCheck } from "../../src/doctor/credentials.ts";
import { assessMount, assessSpace } from "../../src/doctor/ledger.ts";
import { assessMemory, assessOpenFiles } from "../../src/doctor/limits.ts";
import { mountOf, parseMounts } from "../../src/doctor/mounts.ts";
import { assessNode } from "../../src/doctor/node.ts";
import { assessChecksums, assessConditions } from "../../src/doctor/profile.ts";
import { serviceCheck } from "../../src/doctor/service.ts";
import { settingsCheck } from "../../src/doctor/settings.ts";
import { assessWatches } from "../../src/doctor/watches.ts";
import { configOf, never, testFolder } from "./examination.ts";

const examinationOf = (config: Awaited<ReturnType<typeof configOf>>) => ({
  ...{ config, destination: undefined, isQuick: false, signal: never(), cut: never() },
});

const settings = async (environment: Environment) => {
  const found = await settingsCheck.run(examinationOf(await configOf(environment)));
  return found.filter(({ level }) => level !== "ok").map(({ level, message }) => `${level}: ${message}`);
};

afterEach(() => void vi.unstubAllEnvs());

test("odd versions of Node.js are warned of", () => {
  expect(["22.18.0", "24.1.0", "25.0.0"].map((version) => assessNode(version).level)).toEqual(["ok", "ok", "warning"]);
});

describe("settings", () => {
  test("the defaults agree with each other", async () => {
    expect(await settings({})).toEqual([]);
  });

  test("variables that are no settings are named, with what was meant", async () => {
    const config = await configOf({ BUCKETLINE_MEMORY_LIMTI: "1GiB", BUCKETLINE_CONFIG: "" });
    const [, finding] = await settingsCheck.run(examinationOf(config));
    expect(finding).toMatchObject({
      message: "The environment has BUCKETLINE_MEMORY_LIMTI, which is no setting.",
      remedy: "Did you mean BUCKETLINE_MEMORY_LIMIT?",
    });
  });

  test.each([
    [{ CHUNK_SIZE: "256MiB" }, "problem: A part of 268.4 MB does not fit into the memory limit of 134.2 MB."],
    [{ CHUNK_SIZE: "64MiB" }, "warning: 5 files with 4 parts of 67.1 MB would need 1.3 GB"],
    [{ BUCKETLINE_REQUEST_TIMEOUT: "2s" }, "warning: Requests are given up after 2 s."],
    [{ BUCKETLINE_LEASE: "5s" }, "warning: A host counts as dead after 5 s"],
    [{ STABILITY_THRESHOLD: "0" }, "warning: Files are sent as soon as they are seen"],
    [{ REQUEUE_FAILED_AFTER: "10s" }, "warning: Failed files are to be queued again more often"],
    [{ AWS_ENDPOINT_URL: "http://store.example.net" }, "warning: Files go to store.example.net unencrypted."],
    [{ NODE_TLS_REJECT_UNAUTHORIZED: "0" }, "problem: NODE_TLS_REJECT_UNAUTHORIZED is 0"],
    [{ BUCKETLINE_JWT_ISSUER: "https://id.example.net" }, "problem: http.jwt_issuer is set without http.jwt_audience"],
    [{ HOST: "0.0.0.0" }, "problem: http.host is 0.0.0.0 and there is neither a token nor a JWT issuer"],
  ])("%j", async (environment, expected) => {
    expect(await settings(environment)).toEqual([expect.stringContaining(expected)]);
  });

  test("what is as it should be is not complained of", async () => {
    expect(await settings({ AWS_ENDPOINT_URL: "http://127.0.0.1:9000" })).toEqual([]);
    expect(await settings({ HOST: "0.0.0.0", BUCKETLINE_TOKEN_SHA256: "0".repeat(64) })).toEqual([]);
  });

  test.runIf(process.platform !== "win32")("a file with secrets is for its owner alone", async () => {
    const folder = await testFolder();
    const file = join(folder, "bucketline.yaml");
    await writeFile(file, "s3: { access_key_id: a, secret_access_key: hush }\n");
    const found = async (mode: number) => {
      await chmod(file, mode);
      const config = await loadConfig({ folder, environment: {}, flags: {} });
      return await settingsCheck.run(examinationOf(config));
    };
    expect((await found(0o600)).map(({ level }) => level)).toEqual(["ok"]);
    const open = await found(0o644);
    expect(open.map(({ level }) => level)).toEqual(["ok", "warning"]);
    expect(JSON.stringify(open)).not.toContain("hush");
  });
});

describe("the ledger's place", () => {
  const MOUNTS = parseMounts(
    [
      "21 1 8:1 / / rw - ext4 /dev/sda1 rw",
      "22 21 0:40 / /srv/my\\040data rw,relatime shared:1 - nfs4 server:/export rw",
      "23 21 0:41 / /tmp rw - tmpfs tmpfs rw",
      "24 21 0:42 / /srv rw shared:2 master:1 - xfs /dev/sdb rw",
    ].join("\n"),
  );

  test.each([
    ["/var/lib", "ext4"],
    ["/srv/my data/sub", "nfs4"],
    ["/srv/my database", "xfs"],
    ["/tmp", "tmpfs"],
  ])("%s is %s", (path, type) => {
    expect(mountOf(MOUNTS, path)?.type).toBe(type);
  });

  test("SQLite over a network is a problem, JSON a warning, memory a warning, a disk none", () => {
    const levels = (type: string, kind: "sqlite" | "json") =>
      assessMount({ path: "/x", type }, kind).map(({ level }) => level);
    expect(["nfs", "nfs4", "cifs", "fuse.sshfs"].flatMap((type) => levels(type, "sqlite"))).toEqual(
      Array(4).fill("problem"),
    );
    expect(levels("nfs4", "json")).toEqual(["warning"]);
    expect(levels("tmpfs", "sqlite")).toEqual(["warning"]);
    expect(["ext4", "xfs", "btrfs", "overlay"].flatMap((type) => levels(type, "sqlite"))).toEqual([]);
  });

  test("room beside the ledger", () => {
    const level = (free: number, size: number) => assessSpace(free, size).level;
    expect([level(5e9, 1e6), level(5e8, 1e6), level(1e7, 1e6)]).toEqual(["ok", "warning", "problem"]);
    expect([level(5e9, 1.5e9), level(5e9, 4e9), level(5e9, 6e9)]).toEqual(["ok", "warning", "problem"]);
  });
});

describe("clocks", () => {
  test("a Date that is cut to the second is no difference", () => {
    expect(skewOf({ theirs: 10_000, sentAt: 10_500, receivedAt: 10_700 })).toBe(0);
    expect(skewOf({ theirs: 10_000, sentAt: 9_000, receivedAt: 10_001 })).toBe(0);
    expect(skewOf({ theirs: 10_000, sentAt: 12_000, receivedAt: 13_000 })).toBe(-1_001);
    expect(skewOf({ theirs: 20_000, sentAt: 12_000, receivedAt: 13_000 })).toBe(7_000);
  });

  test("from a minute on it is said, from a quarter of an hour on it is a problem", () => {
    const levels = [0, 59_999, 60_000, -60_000, 899_999, 900_000, -900_000].map((skew) => assessSkew(skew).level);
    expect(levels).toEqual(["ok", "ok", "warning", "warning", "warning", "problem", "problem"]);
    expect(assessSkew(120_000).message).toBe("This machine's clock is 2 min 0 s behind the store's.");
    expect(assessSkew(-120_000).message).toBe("This machine's clock is 2 min 0 s ahead of the store's.");
  });
});

test("limits of open files and memory", () => {
  const limits = (soft: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}   524288   files\n`;
  const files = ["unlimited", "1024", "200", "64"].map((soft) => assessOpenFiles(limits(soft), 5).level);
  expect(files).toEqual(["ok", "ok", "warning", "problem"]);
  expect(assessOpenFiles("", 5).level).toBe("skipped");
  expect([1e9, 2e8, 1e8].map((free) => assessMemory(free, 134_217_728).level)).toEqual(["ok", "warning", "problem"]);
});

test("watches that the system allows", () => {
  const level = (folders: number, uploads = 1) =>
    assessWatches({ folders, uploads, isMore: false, watches: 1_000, instances: 128 }).level;
  expect([level(1), level(800), level(801), level(1_000), level(1_001), level(1, 129)]).toEqual([
    ...(["ok", "ok", "warning", "warning", "problem", "problem"] as const),
  ]);
});

describe("credentials", () => {
  const NOW = Date.UTC(2026, 0, 1);

  test.each([
    [{ isTemporary: false, expiration: undefined, marks: ["CREDENTIALS_ENV_VARS"] }, "ok", "from the environment"],
    [
      { isTemporary: true, expiration: undefined, marks: ["CREDENTIALS_PROFILE"] },
      "warning",
      "when they expire is not known",
    ],
    [
      { isTemporary: true, expiration: new Date(NOW + 60_000), marks: ["CREDENTIALS_IMDS"] },
      "ok",
      "the role of the instance",
    ],
    [
      { isTemporary: true, expiration: new Date(NOW), marks: ["CREDENTIALS_PROFILE", "CREDENTIALS_SSO"] },
      "problem",
      "single sign-on have expired",
    ],
  ])("%j", (found, level, message) => {
    expect(assessCredentials(found, NOW)).toMatchObject({ level, message: expect.stringContaining(message) });
  });

  test("those of bucketline.yaml are found and not shown", async () => {
    const folder = await testFolder();
    await writeFile(join(folder, "bucketline.yaml"), "s3: { access_key_id: AKIDHUSH, secret_access_key: hush }\n");
    const config = await loadConfig({ folder, environment: {}, flags: {} });
    const found = await credentialsCheck.run(examinationOf(config));
    expect(found).toMatchObject([{ level: "ok", facts: { source: "bucketline.yaml", kind: "long-term" } }]);
    expect(JSON.stringify(found)).not.toMatch(/hush/i);
  });

  test("where there are none, what to do is said", async () => {
    const folder = await testFolder();
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
    vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
    vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "none"));
    vi.stubEnv("AWS_CONFIG_FILE", join(folder, "none"));
    const found = await credentialsCheck.run(examinationOf(await configOf()));
    expect(found).toMatchObject([{ level: "problem", remedy: expect.stringContaining("AWS_PROFILE") }]);
  });
});

describe("service", () => {
  const answering = async (status: number) => {
    const server = createServer((_, response) => response.writeHead(status).end());
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    onTestFinished(() => void server.close());
    return String((server.address() as AddressInfo).port);
  };

  test.each([
    [200, "ok"],
    [503, "problem"],
    [404, "problem"],
  ])("an answer of %i is %s", async (status, level) => {
    const config = await configOf({ PORT: await answering(status) });
    expect(await serviceCheck.run(examinationOf(config))).toMatchObject([{ level, facts: { status } }]);
  });

  test("none is asked for when nothing is set, and one that is away is a warning", async () => {
    expect(await serviceCheck.run(examinationOf(await configOf()))).toMatchObject([{ level: "skipped" }]);
    const config = await configOf({ PORT: "1" });
    expect(await serviceCheck.run(examinationOf(config))).toMatchObject([{ level: "warning" }]);
  });
});

test("settings that contradict what was found", async () => {
  const able = { checksums: "crc32", conditionalWrites: true, checkedAt: "" } as const;
  const unable = { checksums: "none", conditionalWrites: false, checkedAt: "" } as const;
  const [plain, on, off] = [
    await configOf(),
    await configOf({ BUCKETLINE_CHECKSUMS: "crc32", BUCKETLINE_CONDITIONAL_WRITES: "yes" }),
    await configOf({ BUCKETLINE_CHECKSUMS: "none", BUCKETLINE_CONDITIONAL_WRITES: "no" }),
  ];
  const levels = [plain, on, off].flatMap((config) =>
    [able, unable].map(
      (profile) => `${assessChecksums(config, profile)?.level} ${assessConditions(config, profile)?.level}`,
    ),
  );
  expect(levels).toEqual([
    ...["undefined undefined", "undefined undefined"],
    ...["undefined undefined", "problem problem"],
    ...["warning warning", "undefined undefined"],
  ]);
});
