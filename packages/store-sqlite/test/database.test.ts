import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../src/database.ts";
import { migrate } from "../src/migrate.ts";
import { MIGRATIONS } from "../src/migrations/index.ts";
import { prepareFile } from "../src/path.ts";
import { aFile, everyFile, fill, opened, testFolder } from "./folder.ts";

if (process.platform !== "win32") {
  test("files are made for their owner only, and so are folders", async () => {
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    const folder = join(testFolder(), "made", "on the way");
    const path = join(folder, "uploads.db");
    await fill(await opened(path), 1);
    const mode = (name: string) => (statSync(name).mode & 0o777).toString(8);
    expect([path, `${path}-wal`, `${path}-shm`].map(mode)).toEqual(["600", "600", "600"]);
    expect([join(folder, ".."), folder].map(mode)).toEqual(["700", "700"]);
  });

  test("the mode of a file that is there already is kept", async () => {
    const path = join(testFolder(), "uploads.db");
    await opened(path).then((store) => store.close());
    chmodSync(path, 0o640);
    await fill(await opened(path), 1);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o640);
  });
}

test("a database appears whole: until it is one, nothing stands at its path", async () => {
  const folder = testFolder();
  const path = join(folder, "uploads.db");
  const seen: [boolean, number][] = [];
  const fill = (draft: string) => {
    seen.push([existsSync(path), statSync(draft).size]);
    writeFileSync(draft, "a database");
  };
  prepareFile(path, fill);
  expect(seen).toEqual([[false, 0]]);
  expect(readFileSync(path, "utf8")).toBe("a database");
  const failing = () => {
    throw new Error("the machine is out of breath");
  };
  expect(() => prepareFile(join(folder, "other.db"), failing)).toThrow("out of breath");
  expect(readdirSync(folder)).toEqual(["uploads.db"]);
});

test("of two that create one database at once, the first one's stays", async () => {
  const path = join(testFolder(), "uploads.db");
  prepareFile(path, (draft) => {
    writeFileSync(path, "first");
    writeFileSync(draft, "second");
  });
  expect(readFileSync(path, "utf8")).toBe("first");
});

test.each([" led by a space", "percent %41?mode=ro#x", "ünï'\"", ":memory:.db"])(
  "a database may be named %j",
  async (name) => {
    const path = join(testFolder(), name);
    const store = await opened(path);
    await fill(store, 1);
    await store.close();
    expect(statSync(path).size).toBeGreaterThan(0);
    expect(await everyFile(await opened(path))).toHaveLength(1);
  },
);

test("a database in memory is gone when it is closed", async () => {
  const store = await opened(":memory:");
  await fill(store, 1);
  await store.close();
  await store.open();
  expect(await store.getUpload("u")).toBeUndefined();
});

if (existsSync("/proc/locks")) {
  // Closing any descriptor of a file drops all locks that the process has on it (sqlite.org/howtocorrupt.html, 2.2).
  test("opening a second handle leaves the first one's locks", async () => {
    const path = join(testFolder(), "uploads.db");
    await fill(await opened(path), 1);
    const locks = () =>
      readFileSync("/proc/locks", "utf8").match(new RegExp(`^.* ${process.pid} .*:${statSync(path).ino} `, "gm"));
    const held = locks();
    await opened(path);
    expect(locks()).toEqual(held);
  });
}

test("every commit is synced, in the write-ahead log, and closing leaves one file", async () => {
  const path = join(testFolder(), "uploads.db");
  const db = await openDatabase(path, 1_000);
  expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
  // 2 is FULL.
  expect(db.pragma("synchronous", { simple: true })).toBe(2);
  db.close();
  const store = await opened(path);
  await fill(store, 1);
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
  await store.close();
  expect([`${path}-wal`, `${path}-shm`].filter((file) => existsSync(file))).toEqual([]);
  // Bytes 18 and 19 of the header: 2 for the write-ahead log.
  expect([...readFileSync(path).subarray(18, 20)]).toEqual([2, 2]);
});

function raw(path: string): Database.Database {
  const db = new Database(path);
  onTestFinished(() => void db.close());
  return db;
}

test("an older database is brought to the newest form with its rows", () => {
  const db = raw(join(testFolder(), "old.db"));
  const older = ["CREATE TABLE files (path TEXT PRIMARY KEY) STRICT"];
  migrate(db, "old.db", older);
  db.exec("INSERT INTO files VALUES ('kept')");
  const newer = [...older, "ALTER TABLE files ADD COLUMN size INTEGER", "UPDATE files SET size = 7"];
  migrate(db, "old.db", newer);
  expect(db.prepare("SELECT * FROM files").all()).toEqual([{ path: "kept", size: 7 }]);
  expect(db.pragma("user_version", { simple: true })).toBe(3);
  migrate(db, "old.db", newer);
  expect(() => migrate(db, "old.db", older)).toThrow(expect.objectContaining({ code: "STATE_NEWER" }));
});

test("a migration that fails leaves the database as it was", () => {
  const db = raw(join(testFolder(), "old.db"));
  const older = ["CREATE TABLE files (path TEXT)"];
  migrate(db, "old.db", older);
  const broken = [...older, "ALTER TABLE files ADD COLUMN size", "CREATE TABLE files (again)"];
  expect(() => migrate(db, "old.db", broken)).toThrow(/already exists/);
  expect(db.prepare("SELECT sql FROM sqlite_schema").pluck().all()).toEqual(older);
  expect(db.pragma("user_version", { simple: true })).toBe(1);
});

test("a database of the first version opens with its rows", async () => {
  const path = join(testFolder(), "first.db");
  const db = raw(path);
  migrate(db, path, MIGRATIONS.slice(0, 1));
  db.exec(`
    INSERT INTO uploads (seq, id, state, revision, cleanup_due, created_at, updated_at, spec) VALUES (1, 'u', 0, 1, 0, 5, 5, '{}');
    INSERT INTO files (upload, path, state, revision, key, size, mtime_s, mtime_ns, fingerprint, attempts, next_attempt_at, fence, created_at, updated_at)
      VALUES (1, 'a', 0, 1, 'u/a', 100, ${Date.UTC(2026, 0, 1) / 1000}, 0, '1:2:100:a', 0, 0, 0, ${Date.UTC(2026, 0, 1)}, ${Date.UTC(2026, 0, 1)});
    INSERT INTO counters VALUES (1, 0, 1, 100);
  `);
  db.close();
  const store = await opened(path);
  expect(await everyFile(store)).toEqual([aFile("a")]);
  expect((await store.counters("u")).PENDING).toEqual({ files: 1, bytes: 100 });
});

test("a log torn at any offset keeps every acknowledged row before it, and nothing half", async () => {
  const folder = testFolder();
  const path = join(folder, "uploads.db");
  const store = await opened(path);
  await fill(store, 3);
  const logSize = () => statSync(`${path}-wal`).size;
  const acknowledged = [{ size: logSize(), files: 3 }];
  for (let batch = 0; batch < 20; batch++) {
    const names = Array.from({ length: 1 + (batch % 4) }, (_, n) => `batch ${String(batch).padStart(2, "0")} ${n}`);
    await store.commit(names.map((name) => ({ before: null, after: aFile(name) })));
    acknowledged.push({ size: logSize(), files: (acknowledged.at(-1)?.files ?? 0) + names.length });
  }
  const log = readFileSync(`${path}-wal`);
  const copy = join(folder, "torn.db");
  let seed = 7;
  for (let round = 0; round < 40; round++) {
    seed = (seed * 48_271) % 2_147_483_647;
    const first = acknowledged[0]?.size ?? 0;
    const offset = first + (seed % (log.length - first));
    copyFileSync(path, copy);
    const rest = round % 2 === 0 ? Buffer.alloc(0) : Buffer.alloc(log.length - offset, 0xa5);
    writeFileSync(`${copy}-wal`, Buffer.concat([log.subarray(0, offset), rest]));
    const torn = await opened(copy);
    const expected = acknowledged.findLast(({ size }) => size <= offset)?.files;
    const files = await everyFile(torn);
    expect(files.length, `cut at ${offset}`).toBe(expected);
    expect((await torn.counters("u")).PENDING).toEqual({ files: expected, bytes: 100 * files.length });
    await torn.close();
  }
});
