import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as immediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FILE_STATES, type FileRecord } from "@bucketline/core";
import BetterSqlite3 from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { SqliteStateStore } from "../src/index.ts";
import { everyFile, fill, opened, testFolder } from "./folder.ts";

/** Opens the copy as a ledger and holds its counters against its rows. */
async function expectSound(path: string): Promise<FileRecord[]> {
  const db = new BetterSqlite3(path, { readonly: true });
  expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
  db.close();
  const copy = await opened(path);
  const files = await everyFile(copy);
  const counters = await copy.counters("u");
  for (const state of FILE_STATES) {
    const own = files.filter((file) => file.state === state);
    expect(counters[state]).toEqual({ files: own.length, bytes: own.reduce((sum, { size }) => sum + size, 0) });
  }
  return files;
}

/** Only what a backup leaves beside ledgers. */
const strays = (folder: string) => readdirSync(folder).filter((name) => name.startsWith(".bucketline-"));

describe("a backup", () => {
  test("holds everything that was acknowledged before it was asked for, in one file that only its owner may read", async () => {
    const folder = testFolder();
    const store = await opened(join(folder, "uploads.db"));
    const files = await fill(store, 300);
    await store.backup(join(folder, "copy.db"));
    expect(statSync(join(folder, "copy.db")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.startsWith("copy.db"))).toEqual(["copy.db"]);
    expect(strays(folder)).toEqual([]);
    expect(await expectSound(join(folder, "copy.db"))).toEqual(files);
    expect(await everyFile(store)).toEqual(files);
  });

  test("of a ledger in memory makes a file of it", async () => {
    const folder = testFolder();
    const store = await opened(":memory:");
    const files = await fill(store, 20);
    await store.backup(join(folder, "copy.db"));
    expect(await expectSound(join(folder, "copy.db"))).toEqual(files);
  });

  test.each(["the same handle", "another handle"])(
    "comes to its end and is of one instant although %s writes in every turn",
    async (who) => {
      const folder = testFolder();
      const path = join(folder, "uploads.db");
      const store = await opened(path);
      const writer = who === "the same handle" ? store : await opened(path);
      const files = await fill(store, 6_000);
      let done = false;
      const backup = store.backup(join(folder, "copy.db")).finally(() => {
        done = true;
      });
      let written = 0;
      for (const before of files) {
        if (done) break;
        const after = { ...before, state: "UPLOADED", size: before.size + 7, revision: 2 } as const;
        expect(await writer.commit([{ before, after }])).toEqual(["applied"]);
        written++;
        await immediate();
      }
      expect(done).toBe(true);
      await backup;
      expect(written).toBeGreaterThan(1);
      const copied = await expectSound(join(folder, "copy.db"));
      expect(copied).toHaveLength(6_000);
      // Commits come in order: at any one instant the first so many are done, and the others are not.
      const first = copied.findIndex((file) => file.state !== "UPLOADED");
      expect(first).toBeLessThanOrEqual(written);
      expect(copied.slice(first).every((file) => file.state === "PENDING")).toBe(true);
    },
  );

  test("is of one instant while another process works on the ledger", async () => {
    const folder = testFolder();
    const path = join(folder, "uploads.db");
    const store = await opened({ path, busyTimeoutMs: 20_000 });
    await fill(store, 4_000);
    const program = fileURLToPath(new URL("owner-process.ts", import.meta.url));
    const writer = spawn(process.execPath, ["--conditions=@bucketline/source", program, "claim", path, "writer"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => void writer.kill("SIGKILL"));
    await once(writer.stdout, "data");
    writer.stdin.write("go\n");
    const finished = async () => (await store.counters("u")).UPLOADED.files;
    while ((await finished()) < 50) {
      if (writer.exitCode !== null) throw new Error("The process ended before it had done anything.");
      await immediate();
    }
    await store.backup(join(folder, "copy.db"));
    expect(await finished()).toBeLessThan(4_000);
    writer.kill("SIGKILL");
    const copied = await expectSound(join(folder, "copy.db"));
    const uploaded = copied.filter((file) => file.state === "UPLOADED").length;
    expect(uploaded).toBeGreaterThanOrEqual(50);
    // It claims seven at a time, and finishes them before it claims more.
    expect(copied.filter((file) => file.state === "IN_PROGRESS").length).toBeLessThanOrEqual(7);
    expect(copied.slice(0, uploaded).every((file) => file.state === "UPLOADED")).toBe(true);
  });

  test("goes on to its end when the store is closed meanwhile", async () => {
    const folder = testFolder();
    const store = await opened(join(folder, "uploads.db"));
    await fill(store, 500);
    const backup = store.backup(join(folder, "copy.db"));
    await store.close();
    await backup;
    expect(await expectSound(join(folder, "copy.db"))).toHaveLength(500);
  });

  test("may be taken several times at once", async () => {
    const folder = testFolder();
    const store = await opened(join(folder, "uploads.db"));
    const files = await fill(store, 200);
    const copies = ["a", "b", "c"].map((name) => join(folder, `${name}.db`));
    await Promise.all(copies.map((copy) => store.backup(copy)));
    for (const copy of copies) expect(await expectSound(copy)).toEqual(files);
  });
});

describe("what is refused", () => {
  test("anything that is there already stays as it is", async () => {
    const folder = testFolder();
    const store = await opened(join(folder, "uploads.db"));
    writeFileSync(join(folder, "taken"), "mine");
    mkdirSync(join(folder, "folder"));
    symlinkSync(join(folder, "nowhere"), join(folder, "dangling"));
    for (const name of ["taken", "folder", "dangling", "uploads.db"]) {
      const error = await store.backup(join(folder, name)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "STATE_NOT_WRITABLE", message: expect.stringContaining(join(folder, name)) });
    }
    expect(readFileSync(join(folder, "taken"), "utf8")).toBe("mine");
    expect(readdirSync(folder)).not.toContain("nowhere");
    expect(strays(folder)).toEqual([]);
  });

  test("of two backups to one path one is made", async () => {
    const folder = testFolder();
    const store = await opened(join(folder, "uploads.db"));
    await fill(store, 50);
    const both = await Promise.allSettled([1, 2].map(() => store.backup(join(folder, "copy.db"))));
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await expectSound(join(folder, "copy.db"))).toHaveLength(50);
  });

  test("a folder that is not there, with the name of the copy", async () => {
    const folder = testFolder();
    const store = await opened(join(folder, "uploads.db"));
    const target = join(folder, "none", "copy.db");
    const error = await store.backup(target).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "STATE_NOT_WRITABLE", message: expect.stringContaining(target) });
  });

  test.each(["", "a\0b", "copy.db "])("the path %j", async (path) => {
    const store = await opened(join(testFolder(), "uploads.db"));
    await expect(store.backup(path)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  test("a store that is not open", async () => {
    const folder = testFolder();
    const store = new SqliteStateStore(join(folder, "uploads.db"));
    await expect(store.backup(join(folder, "copy.db"))).rejects.toMatchObject({ code: "STATE_CLOSED" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a memory ledger that is closed meanwhile: nothing is left behind", async () => {
    const folder = testFolder();
    const store = await opened(":memory:");
    await fill(store, 3_000);
    const backup = store.backup(join(folder, "copy.db"));
    await store.close();
    await expect(backup).rejects.toMatchObject({ code: "STATE_CLOSED" });
    expect(readdirSync(folder)).toEqual([]);
  });
});
