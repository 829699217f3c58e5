import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { StateStoreError } from "../../src/index.ts";
import { faulty } from "../../src/testing/index.ts";
import { type Bed, openBed, PART, patterned, until } from "./bed.ts";
import { canMount, UploaderProcess } from "./process.ts";

/** Has another process lock the ledger. @returns what lets go of it */
async function lock(path: string): Promise<() => Promise<void>> {
  const program = fileURLToPath(new URL("./lock-holder.ts", import.meta.url));
  const flags = ["--disable-warning=ExperimentalWarning"];
  const holder = spawn(process.execPath, [...flags, program, path], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void holder.kill());
  const [first] = await once(holder.stdout, "data");
  expect(String(first)).toBe("locked\n");
  return async () => {
    holder.stdin.write("release\n");
    await once(holder, "close");
  };
}

/** A ledger with one finished upload, closed. */
async function closedLedger(bed: Bed): Promise<void> {
  bed.write("known", "1");
  const station = bed.service();
  await station.upload();
  await station.service.stop();
}

describe("locked by another process", () => {
  test("for longer than a call waits: changes wait, work goes on by itself, nothing is sent twice", async () => {
    const bed = await openBed();
    const files = { ...bed.writeMany(12), big: patterned(4 * PART) };
    bed.write("big", files.big);
    let release: (() => Promise<void>) | undefined;
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      nth: 4,
      action: async () => {
        release = await lock(bed.ledger);
        return undefined;
      },
    });
    const station = bed.service({ concurrency: 3 });
    await station.begin();
    await until(() => station.warnings.filter(({ code }) => code === "STATE_BUSY").length >= 2);
    expect(fault.fired).toBe(1);
    expect((await station.service.get("u")).state).toBe("IN_PROGRESS");
    await release?.();
    await station.service.finished("u");
    await station.expectWhole(files);
    expect(bed.requests("PutObject")).toHaveLength(12);
    expect(bed.requests("UploadPart")).toHaveLength(4);
  });

  test("at the start: refused with the reason, and works once the lock is gone", async () => {
    const bed = await openBed();
    await closedLedger(bed);
    const release = await lock(bed.ledger);
    const station = bed.service();
    await expect(station.service.start()).rejects.toMatchObject({ code: "STATE_BUSY" });
    await release();
    await station.service.start();
    expect((await station.service.get("u")).state).toBe("COMPLETED");
  });
});

describe("its disk is full", () => {
  if (canMount) {
    test("pauses, and goes on by itself when space is freed (a small tmpfs)", async () => {
      const bed = await openBed();
      const folder = dirname(bed.ledger);
      mkdirSync(folder);
      const uploader = new UploaderProcess(bed, { wrapper: ["unshare", "-rm"], service: { concurrency: 2 } });
      await uploader.do(`shell mount -t tmpfs -o size=2m none ${folder}`);
      bed.write("before", "0");
      await uploader.do("start");
      await uploader.do("finished");
      await uploader.do(`shell cat /dev/zero > ${folder}/ballast 2>/dev/null || true`);
      const files = bed.writeMany(30);
      await uploader.hearCode("STATE_FULL");
      await uploader.do(`shell rm ${folder}/ballast`);
      await uploader.hear(() => uploader.told.filter(({ event }) => event === "uploaded").length === 31);
      expect(await bed.contents()).toEqual({ ...files, before: "0" });
      expect(bed.requests("PutObject")).toHaveLength(31);
    });
  }

  test("pauses, and goes on by itself, whichever call finds it full", async () => {
    const bed = await openBed();
    const files = bed.writeMany(10);
    const full = () => new StateStoreError("STATE_FULL", "made to be full");
    const store = faulty(new SqliteStateStore({ path: bed.ledger, busyTimeoutMs: 20 }));
    const twice = { nth: 2, times: 2, before: full };
    const faults = [
      store.inject({ method: "commit", ...twice }),
      store.inject({ method: "claim", ...twice }),
      store.inject({ method: "updateUpload", ...twice }),
      store.inject({ method: "heartbeat", ...twice }),
    ];
    const station = bed.service({ state: store.port });
    await station.upload();
    expect(faults.map(({ fired }) => fired > 0)).toEqual([true, true, true, true]);
    expect(bed.requests("PutObject")).toHaveLength(10);
    await station.expectWhole(files);
  });
});

describe("refused at the start, left as it is, and nothing is sent", () => {
  const damages: Readonly<Record<string, readonly [code: string, damage: (path: string) => void]>> = {
    "a page overwritten": [
      "STATE_CORRUPT",
      (path) => {
        const bytes = readFileSync(path);
        bytes.fill(0xa5, 4096 * 2, 4096 * 6);
        writeFileSync(path, bytes);
      },
    ],
    "cut in half": ["STATE_CORRUPT", (path) => truncateSync(path, statSync(path).size / 2)],
    "all zeros": ["STATE_CORRUPT", (path) => writeFileSync(path, Buffer.alloc(statSync(path).size))],
    "another kind of file": ["STATE_CORRUPT", (path) => writeFileSync(path, "my notes\n".repeat(1_000))],
    "of zero bytes": ["STATE_CORRUPT", (path) => truncateSync(path, 0)],
    "of zero bytes, with its log beside it": [
      "STATE_CORRUPT",
      (path) => {
        truncateSync(path, 0);
        writeFileSync(`${path}-wal`, "what was left");
      },
    ],
    "of a newer version": [
      "STATE_NEWER",
      (path) => {
        const database = new DatabaseSync(path);
        database.exec("PRAGMA user_version = 1000");
        database.close();
      },
    ],
  };

  test.each(Object.keys(damages))("%s", async (name) => {
    const [code, damage] = damages[name] as NonNullable<(typeof damages)[string]>;
    const bed = await openBed();
    await closedLedger(bed);
    damage(bed.ledger);
    bed.write("new", "2");
    const before = readFileSync(bed.ledger);
    bed.sandbox.clearRequests();
    const station = bed.service();
    await expect(station.service.start()).rejects.toMatchObject({ name: "StateStoreError", code });
    await expect(station.begin()).rejects.toMatchObject({ code });
    expect(readFileSync(bed.ledger).equals(before)).toBe(true);
    expect(bed.sandbox.requests).toEqual([]);
  });

  test("read-only", async () => {
    const bed = await openBed();
    await closedLedger(bed);
    for (const folder of [bed.home, bed.source, dirname(bed.ledger)]) chmodSync(folder, 0o777);
    chmodSync(bed.ledger, 0o444);
    const before = readFileSync(bed.ledger);
    bed.sandbox.clearRequests();
    // Permissions do not bind root.
    const uploader = new UploaderProcess(bed, process.getuid?.() === 0 ? { uid: 65_534 } : {});
    expect(await uploader.ask("start")).toMatchObject({ event: "refused", code: "STATE_NOT_WRITABLE" });
    expect(readFileSync(bed.ledger).equals(before)).toBe(true);
    expect(bed.sandbox.requests).toEqual([]);
  });
});

const syncs = spawnSync("strace", ["-f", "-qq", "-e", "trace=none", "true"]).status === 0;

test(`its disk fails (${syncs ? "fsync answers EIO" : "writes answer EFBIG"}): nothing counts as written, and it goes on afterwards`, async () => {
  const bed = await openBed();
  bed.write("before", "0");
  const inject = ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO:when=36..44"];
  const wrapper = syncs ? ["strace", "-f", "-qq", "-o", join(bed.home, "trace"), ...inject] : [];
  const uploader = new UploaderProcess(bed, { wrapper, service: { concurrency: 2, lease: 3_000 } });
  await uploader.do("start");
  await uploader.do("finished");
  if (!syncs) spawnSync("prlimit", ["--pid", String(uploader.pid), "--fsize=4096:unlimited"]);
  const files = bed.writeMany(20);
  await uploader.hearCode("STATE_NOT_WRITABLE");
  if (!syncs) spawnSync("prlimit", ["--pid", String(uploader.pid), "--fsize=unlimited:unlimited"]);
  const uploaded = () => uploader.told.filter(({ event }) => event === "uploaded").map(({ path }) => path);
  await uploader.hear(() => new Set(uploaded()).size === 21);
  expect(uploaded()).toHaveLength(21);
  expect(await bed.contents()).toEqual({ ...files, before: "0" });
  await uploader.do("finished");
  await uploader.do("stop");
  const after = bed.service();
  await after.service.start();
  await after.expectWhole({ ...files, before: "0" });
  if (syncs) expect(readFileSync(join(bed.home, "trace"), "utf8")).toMatch(/sync\(\d+\)\s+= -1 EIO.*INJECTED/);
});

describe("power loss", () => {
  /** Numbers in [0, 1) from a seed: Park and Miller's generator. */
  function seeded(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
  }

  const tails: Readonly<Record<string, (log: Buffer, kept: number, random: () => number) => Buffer>> = {
    cut: (log, kept) => log.subarray(0, kept),
    zeroed: (log, kept) => Buffer.concat([log.subarray(0, kept), Buffer.alloc(log.length - kept)]),
    torn: (log, kept, random) => {
      const torn = Buffer.from(log);
      // Sectors after the cut arrived or did not, in no order; the first one after it did not.
      for (let at = kept; at < log.length; at += 512)
        if (at === kept || random() < 0.5) torn.fill(0, at, Math.min(at + 512, log.length));
      return torn;
    },
  };

  test.each(Object.keys(tails))(
    "its log is %s anywhere: what was told stays so, and the run ends as if nothing had happened",
    async (name) => {
      const bed = await openBed();
      const files = { ...bed.writeMany(8), big: patterned(4 * PART) };
      bed.write("big", files.big);
      const log = `${bed.ledger}-wal`;
      const told: { readonly path: string; readonly size: number }[] = [];
      const first = bed.service({ concurrency: 2 });
      first.service.on("file:uploaded", ({ path }) => void told.push({ path, size: statSync(log).size }));
      let registered = 0;
      first.service.on("upload:registered", () => {
        registered = statSync(log).size;
      });
      await first.upload();
      const database = readFileSync(bed.ledger);
      const whole = readFileSync(log);
      await first.service.stop();
      expect(told).toHaveLength(9);
      expect(registered).toBeGreaterThan(0);
      const random = seeded(7);
      for (let round = 0; round < 10; round++) {
        const kept = registered + Math.floor(random() * (whole.length - registered));
        const ledger = join(bed.home, `ledger-${name}-${round}.db`);
        writeFileSync(ledger, database);
        writeFileSync(`${ledger}-wal`, (tails[name] as NonNullable<(typeof tails)[string]>)(whole, kept, random));
        const known = told.filter(({ size }) => size <= kept).map(({ path }) => path);
        bed.sandbox.clearRequests();
        const again = bed.service({ state: new SqliteStateStore(ledger) });
        await again.service.start();
        const uploaded = [...(await again.files()).values()].filter(({ state }) => state === "UPLOADED");
        expect(
          uploaded.map(({ path }) => path),
          `cut at ${kept}`,
        ).toEqual(expect.arrayContaining(known));
        await again.service.finished("u");
        await again.expectWhole(files);
        const sent = new Set(bed.sandbox.requests.filter(({ committed }) => committed).map(({ key }) => key));
        expect(known.filter((path) => sent.has(path))).toEqual([]);
        await again.service.stop();
      }
    },
  );
});
