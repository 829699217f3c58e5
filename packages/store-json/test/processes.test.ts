import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { thisProcess } from "../src/holder.ts";
import { JsonStateStore } from "../src/index.ts";
import { aFile, everyFile, opened, testFolder } from "./folder.ts";
import { seeded } from "./machine.ts";

class OwnerProcess {
  readonly child: ChildProcess;
  /** Everything it has said. */
  readonly heard: unknown[] = [];
  readonly #lines: AsyncIterator<string>;

  constructor(wrapper: readonly string[] = []) {
    const program = fileURLToPath(new URL("owner-process.ts", import.meta.url));
    const [command = "", ...args] = [...wrapper, process.execPath, "--conditions=@bucketline/source", program];
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void this.child.kill("SIGKILL"));
    if (this.child.stdout === null) throw new Error("its output is a pipe");
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  static async start(wrapper?: readonly string[]): Promise<OwnerProcess> {
    const owner = new OwnerProcess(wrapper);
    expect(await owner.next()).toBe("ready");
    return owner;
  }

  async next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) return undefined;
    this.heard.push(JSON.parse(value));
    return this.heard.at(-1);
  }

  say(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  async do(line: string): Promise<unknown> {
    this.say(line);
    return this.next();
  }

  async kill(): Promise<void> {
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }

  /** What it says until its output ends. */
  async rest(): Promise<void> {
    while ((await this.next()) !== undefined);
  }
}

const journals = (path: string) =>
  readdirSync(join(path, "..")).filter((name) => name.startsWith("uploads.json.journal."));
const lockOf = (path: string) => {
  const names = readdirSync(join(path, "..")).filter((name) => name.startsWith("uploads.json.lock."));
  return join(path, "..", names.at(-1) ?? "");
};

test("killed at random moments, again and again: every acknowledged commit is there", {
  timeout: 120_000,
}, async () => {
  const seed = Math.floor(Math.random() * 1e9) + 1;
  const random = seeded(seed);
  const path = join(testFolder(), "uploads.json");
  const acknowledged = new Set<string>();
  let folded = 0;
  for (let round = 0; round < 12; round++) {
    const owner = await OwnerProcess.start();
    expect(await owner.do(`open ${path}`), `seed ${seed}, round ${round}`).toBe("open");
    owner.say("count");
    const limit = Math.floor(random() * 120);
    for (let n = 0; n < limit; n++) await owner.next();
    const killed = owner.kill();
    await owner.rest();
    await killed;
    for (const name of owner.heard) if (name !== "ready" && name !== "open") acknowledged.add(String(name));
    if (!readFileSync(path, "utf8").includes('"generation":0')) folded += 1;
    const store = await opened(path);
    const there = new Set((await everyFile(store)).map((file) => file.path));
    expect(
      [...acknowledged].filter((name) => !there.has(name)),
      `seed ${seed}, round ${round}`,
    ).toEqual([]);
    expect((await store.counters("u")).PENDING.files).toBe(there.size);
    const notices = await store.listNotices({ limit: Number.MAX_SAFE_INTEGER });
    expect(new Set(notices.map(({ id }) => id)), `seed ${seed}, round ${round}`).toEqual(there);
    // Every other time the next one finds what the killed one left, not what a clean end made of it.
    if (round % 2 === 0) await store.close();
    else await abandon(store, path);
  }
  expect(acknowledged.size).toBeGreaterThan(100);
  expect(folded).toBeGreaterThan(0);
});

/** Leaves a store's files as they are, as if its process had died. */
async function abandon(store: JsonStateStore, path: string): Promise<void> {
  const folder = join(path, "..");
  const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const);
  await store.close();
  for (const [name, bytes] of files) writeFileSync(join(folder, name), name.includes(".lock.") ? "" : bytes);
}

test("a running holder is named, and what it holds is free once it is killed", async () => {
  const path = join(testFolder(), "uploads.json");
  const owner = await OwnerProcess.start();
  await owner.do(`open ${path}`);
  const error = await new JsonStateStore(path).open().catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: "STATE_BUSY", name: "StateStoreError" });
  expect((error as Error).message).toContain(`process ${owner.child.pid} on host "${thisProcess().host}", since 20`);
  expect((error as Error).message).toContain(path);
  await owner.do("commit a");
  await owner.kill();
  expect((await everyFile(await opened(path))).map((file) => file.path)).toEqual(["a"]);
});

test("a process opens a state once", async () => {
  const path = join(testFolder(), "uploads.json");
  const store = await opened(path);
  await expect(new JsonStateStore(path).open()).rejects.toMatchObject({
    code: "STATE_BUSY",
    message: expect.stringContaining(`process ${process.pid} `),
  });
  await store.close();
  await opened(path);
});

test("several processes race for the lock of a dead or an orderly holder: one wins, every time", {
  timeout: 120_000,
}, async () => {
  const folder = testFolder();
  const dead = await OwnerProcess.start();
  await dead.do(`open ${join(folder, "uploads.json")}`);
  const facts = readFileSync(lockOf(join(folder, "uploads.json")));
  await dead.kill();
  const rivals = await Promise.all([1, 2, 3, 4].map(() => OwnerProcess.start()));
  const path = join(folder, "uploads.json");
  let taken = 0;
  for (let round = 0; round < 100; round++) {
    if (round % 3 > 0 && statSync(lockOf(path)).size === 0) writeFileSync(lockOf(path), facts);
    const answers = await Promise.all(rivals.map((rival) => rival.do(`open ${path}`)));
    const winners = rivals.filter((_, n) => answers[n] === "open");
    expect(winners.length, `round ${round}: ${JSON.stringify(answers)}`).toBe(1);
    for (const answer of answers) if (answer !== "open") expect(answer).toMatchObject({ code: "STATE_BUSY" });
    expect(await winners[0]?.do(`commit ${round}`)).toBe("applied");
    taken += 1;
    // Losers have no open store; a winner that closes makes room.
    await Promise.all(rivals.map((rival) => rival.do("close")));
  }
  const store = await opened(path);
  expect((await everyFile(store)).length).toBe(taken);
  expect(readdirSync(folder).filter((name) => name.includes(".lock.") || name.includes(".draft."))).toHaveLength(1);
});

test("processes that open, write and close as fast as they can never lose a write", { timeout: 120_000 }, async () => {
  const path = join(testFolder(), "uploads.json");
  const rivals = await Promise.all(["a", "b", "c"].map(() => OwnerProcess.start()));
  const written: string[] = [];
  await Promise.all(
    rivals.map(async (rival, name) => {
      for (let n = 0; n < 10; ) {
        if ((await rival.do(`open ${path}`)) !== "open") continue;
        expect(await rival.do(`commit ${name}-${n}`)).toBe("applied");
        written.push(`${name}-${n++}`);
        expect(await rival.do("close")).toBe("closed");
      }
    }),
  );
  const store = await opened(path);
  expect((await everyFile(store)).map((file) => file.path)).toEqual(written.sort());
  expect(written).toHaveLength(30);
});

/** Makes a lock look as if it were held in another container or on another machine. */
function moveHolderElsewhere(lock: string): void {
  const elsewhere = { ...JSON.parse(readFileSync(lock, "utf8")), boot: "another", host: "elsewhere" };
  const { atime, mtime } = statSync(lock);
  writeFileSync(lock, `${JSON.stringify(elsewhere)}\n`);
  utimesSync(lock, atime, mtime);
}

test("a holder that cannot be seen is busy while it beats; stopped for long it is replaced, and on waking writes nothing", async () => {
  const path = join(testFolder(), "uploads.json");
  const zombie = await OwnerProcess.start();
  await zombie.do(`open ${path}`);
  await zombie.do("commit before");
  moveHolderElsewhere(lockOf(path));
  await expect(new JsonStateStore({ path, takeoverMs: 3_000 }).open()).rejects.toMatchObject({
    code: "STATE_BUSY",
    message: expect.stringContaining('on host "elsewhere"'),
  });
  zombie.child.kill("SIGSTOP");
  const store = await opened({ path, takeoverMs: 3_000 });
  expect((await everyFile(store)).map((file) => file.path)).toEqual(["before"]);
  await store.commit([{ before: null, after: aFile("heir") }]);
  zombie.say("commit late");
  zombie.child.kill("SIGCONT");
  expect(await zombie.next()).toMatchObject({
    code: "STATE_BUSY",
    message: expect.stringContaining(`taken over by process ${process.pid} `),
  });
  expect(await zombie.do("commit later")).toMatchObject({ code: "STATE_BUSY" });
  expect(await zombie.do("close")).toBe("closed");
  await store.commit([{ before: null, after: aFile("heir2") }]);
  await abandon(store, path);
  expect((await everyFile(await opened(path))).map((file) => file.path)).toEqual(["before", "heir", "heir2"]);
});

test("a lock that nobody can read is taken over when it stays quiet", async () => {
  const path = join(testFolder(), "uploads.json");
  await (await opened(path)).close();
  writeFileSync(lockOf(path), "torn {");
  await opened({ path, takeoverMs: 3_000 });
});

const mounts = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0;

test(`a disk that is full (${mounts ? "a small tmpfs" : "a limit on file sizes"}): refused, nothing lost, and work goes on with space`, async () => {
  const folder = testFolder();
  mkdirSync(join(folder, "disk"));
  const path = join(folder, "disk", "uploads.json");
  const script = `${mounts ? `mount -t tmpfs -o size=256k none ${folder}/disk && ` : ""}exec "$@"`;
  const wrapper = [...(mounts ? ["unshare", "-rm"] : []), "sh", "-c", script, "sh"];
  const owner = await OwnerProcess.start(wrapper);
  expect(await owner.do(`open ${path}`)).toBe("open");
  const inside = (command: string) =>
    spawnSync(mounts ? "nsenter" : "sh", [
      ...(mounts ? ["-t", String(owner.child.pid), "-U", "-m", "--preserve-credentials", "sh"] : []),
      ...["-c", command],
    ]);
  const limit = (bytes: string) => spawnSync("prlimit", ["--pid", String(owner.child.pid), `--fsize=${bytes}`]);
  if (mounts) expect(inside(`cat /dev/zero > ${folder}/disk/ballast`).stderr.toString()).toMatch(/space/);
  else limit("4096:unlimited");
  let written = 0;
  let answer = await owner.do("commit 0");
  for (; answer === "applied" && written < 100; answer = await owner.do(`commit ${written}`)) written += 1;
  expect(answer).toMatchObject({ code: mounts ? "STATE_FULL" : "STATE_NOT_WRITABLE" });
  for (let n = 0; n < 20; n++)
    expect(await owner.do("commit again")).toMatchObject({ code: expect.stringMatching(/^STATE_/) });
  if (mounts)
    expect(inside(`ls ${folder}/disk | wc -l && rm ${folder}/disk/ballast`).stdout.toString()).toMatch(/^[1-9]\n$/);
  else limit("unlimited:unlimited");
  expect(await owner.do("commit again")).toBe("applied");
  expect(await owner.do("claim")).toBe(1);
  if (mounts) inside(`cp ${path}* ${folder}`);
  await owner.kill();
  const store = await opened(mounts ? join(folder, "uploads.json") : path);
  const names = [...Array.from({ length: written }, (_, n) => String(n)), "again"].sort();
  expect((await everyFile(store)).map((file) => file.path)).toEqual(names);
  expect(journals(mounts ? join(folder, "uploads.json") : path).length).toBeLessThanOrEqual(4);
  expect(existsSync(path)).toBe(!mounts);
});
