import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Account, unprivilegedAccount } from "./account.ts";
import { type Binaries, prepareBinaries } from "./binaries.ts";
import { PostgresSandboxError } from "./errors.ts";

export interface ClusterOrder {
  readonly password: string | undefined;
  readonly durable: boolean;
  readonly settings: Readonly<Record<string, string>>;
}

const READY = "database system is ready to accept connections";
const PORT_TAKEN = "could not bind";
const BIND_ATTEMPTS = 20;
const BIND_PAUSE_MS = 250;
const LOG_TAIL = 16 * 1024;
const STOP_GRACE_MS = 10_000;

/** Without the waits for the disk, and small. Commits stay synchronous: a killed server loses none that it answered. */
const FLEETING = {
  fsync: "off",
  full_page_writes: "off",
  shared_buffers: "16MB",
  max_wal_size: "128MB",
};

/** One PostgreSQL data folder and the server on it. Calls must not overlap. */
export class Cluster {
  readonly #order: ClusterOrder;
  #account: Account | undefined;
  #home = "";
  #binaries: Binaries | undefined;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #port = 0;
  #log = "";

  constructor(order: ClusterOrder) {
    this.#order = order;
  }

  /** Makes the data folder and starts the server on a free port. */
  async create(): Promise<void> {
    this.#account = unprivilegedAccount();
    this.#home = mkdtempSync(join(tmpdir(), "postgres-sandbox-"));
    this.#own(this.#home);
    this.#binaries = prepareBinaries(this.#home, this.#account);
    const { password } = this.#order;
    const passwordFile = join(this.#home, "password");
    if (password !== undefined) {
      writeFileSync(passwordFile, password, { mode: 0o600 });
      this.#own(passwordFile);
    }
    const auth = password === undefined ? ["--auth=trust"] : ["--auth=scram-sha-256", `--pwfile=${passwordFile}`];
    const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
    const sync = this.#order.durable ? [] : ["--no-sync"];
    this.#spawn(this.#binaries.initdb, [
      `--pgdata=${this.#data}`,
      "--username=postgres",
      "--no-instructions",
      ...auth,
      ...locale,
      ...sync,
    ]);
    await this.#gone;
    if (this.#child?.exitCode !== 0) throw new PostgresSandboxError(`initdb failed. ${this.#log}`);
    await this.start();
  }

  /** Starts the server, on the same port as before. */
  async start(): Promise<void> {
    const chosen = this.#port !== 0;
    for (let attempt = 1; ; attempt++) {
      if (!chosen) this.#port = await freePort();
      if (await this.#launch()) return;
      if (!this.#log.includes(PORT_TAKEN) || attempt === BIND_ATTEMPTS)
        throw new PostgresSandboxError(`PostgreSQL ended before it was ready. ${this.#log}`);
      await sleep(BIND_PAUSE_MS);
    }
  }

  get address(): { readonly port: number; readonly pid: number } {
    return { port: this.#port, pid: this.#child?.pid ?? 0 };
  }

  /** Ends what runs. "fast" rolls back and writes a checkpoint; "crash" ends at once, and the next start recovers. */
  async end(how: "fast" | "crash"): Promise<void> {
    const child = this.#child;
    if (!child) return;
    child.kill(how === "fast" ? "SIGINT" : "SIGQUIT");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
    await this.#gone;
    clearTimeout(late);
  }

  remove(): void {
    if (this.#home !== "") rmSync(this.#home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  #own(path: string): void {
    if (this.#account) chownSync(path, this.#account.uid, this.#account.gid);
  }

  get #data(): string {
    return join(this.#home, "data");
  }

  /** @returns whether the server became ready before it ended */
  async #launch(): Promise<boolean> {
    if (!this.#binaries) throw new PostgresSandboxError("The data folder has not been made.");
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      ...(!this.#order.durable && FLEETING),
      ...this.#order.settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    this.#spawn(this.#binaries.postgres, ["-D", this.#data, "-p", String(this.#port), ...flags]);
    const child = this.#child;
    const ready = new Promise<boolean>((resolve) => {
      child?.stderr?.on("data", () => {
        if (this.#log.includes(READY)) resolve(true);
      });
    });
    return await Promise.race([ready, this.#gone.then(() => false)]);
  }

  #spawn(program: string, args: readonly string[]): void {
    this.#log = "";
    // Messages are matched, so they must not be translated.
    const env = { ...process.env, LC_ALL: "C", TZ: "UTC" };
    const child = spawn(program, args, {
      ...this.#account,
      env,
      cwd: this.#home,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log = `${this.#log}${text}`.slice(-LOG_TAIL);
    });
    this.#gone = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#log += error.message;
        resolve();
      });
      child.once("exit", () => resolve());
    });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
