import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { InputError, StateStoreError } from "@bucketline/core";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { loadDriver } from "../src/database.ts";
import { SqliteStateStore } from "../src/index.ts";
import { migrate } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations/index.ts";
import { stateError } from "../src/state-error.ts";
import { everyFile, fill, opened, testFolder } from "./folder.ts";

/** A closed database with files in it. */
async function closedDatabase(count = 200): Promise<string> {
  const path = join(testFolder(), "uploads.db");
  const store = await opened(path);
  await fill(store, count);
  await store.close();
  return path;
}

/** Opens, and holds that nothing of what was there has changed. */
async function refusal(path: string): Promise<StateStoreError> {
  const files = [path, `${path}-wal`, `${path}-journal`];
  const read = () => files.map((file) => (existsSync(file) ? readFileSync(file, "base64") : "")).join();
  const before = read();
  const error = await new SqliteStateStore({ path, busyTimeoutMs: 30 }).open().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StateStoreError);
  expect(read() === before, "the files are as they were").toBe(true);
  return error as StateStoreError;
}

function connect(path: string): Database.Database {
  const db = new Database(path);
  onTestFinished(() => void db.close());
  return db;
}

describe("STATE_CORRUPT", () => {
  test.each([
    ["text", Buffer.from("these are my notes\n".repeat(100))],
    ["less than a header", Buffer.from("SQLite format 3\0")],
    ["zeros", Buffer.alloc(8192)],
  ])("a file that is no database: %s", async (_, bytes) => {
    const path = join(testFolder(), "uploads.db");
    writeFileSync(path, bytes);
    const error = await refusal(path);
    expect(error.code).toBe("STATE_CORRUPT");
    expect(error.message).toContain(path);
  });

  test.each([0.3, 0.5, 0.9])("a database cut at %d of its length", async (part) => {
    const path = await closedDatabase();
    truncateSync(path, Math.floor(statSync(path).size * part));
    expect((await refusal(path)).code).toBe("STATE_CORRUPT");
  });

  test("a database with a page overwritten", async () => {
    const path = await closedDatabase();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096 * 14, 4096 * 15);
    writeFileSync(path, bytes);
    expect((await refusal(path)).code).toBe("STATE_CORRUPT");
  });

  test("a database whose tables somebody dropped", async () => {
    const path = await closedDatabase();
    connect(path).exec("DROP TABLE owners");
    expect((await new SqliteStateStore(path).open().catch((error) => error)).code).toBe("STATE_CORRUPT");
  });

  test("a database of another application, at rest and with an unfinished log", async () => {
    const path = join(testFolder(), "other.db");
    const db = connect(path);
    db.exec("CREATE TABLE notes (text)");
    expect((await refusal(path)).message).toMatch(/database of another application/);
    db.pragma("journal_mode = WAL");
    db.exec("INSERT INTO notes VALUES ('precious')");
    expect((await refusal(path)).code).toBe("STATE_CORRUPT");
  });

  test("an empty file: what it held may have been a ledger", async () => {
    const path = await closedDatabase();
    truncateSync(path, 0);
    const error = await refusal(path);
    expect(error).toMatchObject({ code: "STATE_CORRUPT", message: /is empty.*remove it to begin anew/ });
  });

  test("a log whose database is gone or empty", async () => {
    const path = await closedDatabase();
    writeFileSync(`${path}-wal`, "all that is left");
    truncateSync(path, 0);
    expect((await refusal(path)).code).toBe("STATE_CORRUPT");
    const gone = join(testFolder(), "gone.db");
    writeFileSync(`${gone}-wal`, "all that is left");
    expect((await refusal(gone)).code).toBe("STATE_CORRUPT");
    expect(existsSync(gone)).toBe(false);
  });
});

describe("STATE_NEWER", () => {
  test("a database of a newer version", async () => {
    const path = await closedDatabase();
    const db = connect(path);
    db.pragma("user_version = 1000");
    db.close();
    const error = await refusal(path);
    expect(error.code).toBe("STATE_NEWER");
    expect(error.message).toMatch(/1000.*Upgrade Bucketline/);
  });

  test("a database whose newer version stands in the log only", async () => {
    const path = await closedDatabase();
    connect(path).pragma("user_version = 1000");
    const copy = join(testFolder(), "copy.db");
    for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, copy + suffix);
    expect((await refusal(copy)).code).toBe("STATE_NEWER");
  });
});

describe("STATE_NOT_WRITABLE", () => {
  test("a path that is a folder, or leads through a file", async () => {
    const folder = testFolder();
    expect((await new SqliteStateStore(folder).open().catch((error) => error)).code).toBe("STATE_NOT_WRITABLE");
    writeFileSync(join(folder, "file"), "");
    const path = join(folder, "file", "uploads.db");
    expect((await new SqliteStateStore(path).open().catch((error) => error)).code).toBe("STATE_NOT_WRITABLE");
  });

  if (process.platform !== "win32") {
    /** Permissions do not bind root. */
    const asNobody = async (run: () => Promise<void>) => {
      const user = process.geteuid?.();
      if (user === 0) process.seteuid?.(65_534);
      try {
        await run();
      } finally {
        if (user === 0) process.seteuid?.(0);
      }
    };

    test("a file or a folder without permission", async () => {
      const folder = testFolder();
      chmodSync(folder, 0o755);
      await opened(join(folder, "there.db")).then((store) => store.close());
      chmodSync(join(folder, "there.db"), 0o444);
      chmodSync(folder, 0o555);
      await asNobody(async () => {
        expect((await refusal(join(folder, "there.db"))).code).toBe("STATE_NOT_WRITABLE");
        expect((await refusal(join(folder, "new.db"))).code).toBe("STATE_NOT_WRITABLE");
        expect((await refusal(join(folder, "sub", "new.db"))).code).toBe("STATE_NOT_WRITABLE");
      });
    });
  }

  test("a Node.js that the driver would crash", async () => {
    await expect(loadDriver(9)).rejects.toMatchObject({ code: "STATE_NOT_WRITABLE", message: /needs Node.js 22/ });
  });
});

describe("STATE_BUSY", () => {
  test("another process's lock, until it is released", async () => {
    const path = join(testFolder(), "uploads.db");
    const store = await opened({ path, busyTimeoutMs: 30 });
    const [file] = await fill(store, 1);
    const rival = connect(path);
    rival.exec("BEGIN IMMEDIATE");
    const change = { before: file ?? null, after: { ...(file as NonNullable<typeof file>), revision: 2 } };
    await expect(store.commit([change])).rejects.toMatchObject({ code: "STATE_BUSY", name: "StateStoreError" });
    expect(await everyFile(store)).toEqual([file]);
    rival.exec("ROLLBACK");
    expect(await store.commit([change])).toEqual(["applied"]);
  });

  test("a lock on a database that is being migrated", async () => {
    const path = join(testFolder(), "uploads.db");
    const rival = connect(path);
    migrate(rival, path, MIGRATIONS.slice(0, 1));
    rival.exec("BEGIN EXCLUSIVE");
    expect((await refusal(path)).code).toBe("STATE_BUSY");
    rival.exec("ROLLBACK");
    rival.close();
    await opened(path);
  });
});

test("STATE_FULL: a database that may not grow", async () => {
  const db = connect(join(testFolder(), "full.db"));
  db.exec("CREATE TABLE t (x)");
  db.pragma("max_page_count = 2");
  const insert = () => db.prepare("INSERT INTO t VALUES (zeroblob(100000))").run();
  let thrown: unknown;
  try {
    insert();
  } catch (error) {
    thrown = stateError(error, "full.db");
  }
  expect(thrown).toMatchObject({ code: "STATE_FULL", name: "StateStoreError", cause: { code: "SQLITE_FULL" } });
});

test("errors that are not the store's pass as they are", () => {
  const error = new Error("from take");
  expect(stateError(error, "x.db")).toBe(error);
  expect(stateError("text", "x.db")).toBe("text");
});

test.each([
  "",
  " ",
  "a\0b",
  "ends in a space ",
  { path: "x", busyTimeoutMs: -1 },
  { path: "x", busyTimeoutMs: 0.5 },
  { path: 7 as unknown as string },
])("wrong options are refused before anything is touched: %j", (options) => {
  expect(() => new SqliteStateStore(options)).toThrow(InputError);
});

test("after a refusal the same store may be opened once the cause is mended", async () => {
  const path = join(testFolder(), "uploads.db");
  mkdirSync(path);
  const store = new SqliteStateStore(path);
  onTestFinished(() => store.close());
  await expect(store.open()).rejects.toMatchObject({ code: "STATE_NOT_WRITABLE" });
  await expect(store.getUpload("u")).rejects.toMatchObject({ code: "STATE_CLOSED" });
  await import("node:fs/promises").then(({ rmdir }) => rmdir(path));
  await store.open();
  expect(await store.getUpload("u")).toBeUndefined();
});
