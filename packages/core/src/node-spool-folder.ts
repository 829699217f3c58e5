import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { BucketlineError } from "./errors.ts";
import type { SpoolFolder, SpoolReader, SpoolWriter } from "./ports/spool-folder.ts";
import { newId } from "./random.ts";

export interface NodeSpoolFolderOptions {
  /** The name of this machine: runs of others that share the folder are left alone. */
  readonly host: string;
  /** Default: one of the user's own below the system's folder for temporary files. */
  readonly folder?: string | undefined;
}

/** Runs of this thread that are not over. */
const LIVE = new Set<string>();
const RUN = /^(?<host>[A-Za-z0-9-]*)\.(?<pid>\d+)\.(?<thread>\d+)\.(?<begun>\d+)\.[0-9a-f-]{36}(?:\.taken\d+)?$/;
const FINISHED = ".spool";
const UNFINISHED = ".part";

/**
 * A folder per run, named after its host and process: `<folder>/<host>.<pid>.<thread>.<start>.<nonce>/`. A run is dead when
 * its process is, or another one has got its number. Its folder is taken over by renaming it, which only one can do.
 */
export class NodeSpoolFolder implements SpoolFolder {
  readonly #options: NodeSpoolFolderOptions;
  readonly #host: string;
  #run: string | undefined;
  #making: Promise<string> | undefined;
  #closed = false;
  #count = 0;

  constructor(options: NodeSpoolFolderOptions) {
    this.#options = options;
    this.#host = options.host.replace(/[^A-Za-z0-9-]/g, "-").slice(0, 64);
  }

  async open(): Promise<readonly string[]> {
    return await this.#guarded(async () => {
      const own = await this.#presentFolder();
      const names: string[] = [];
      for (const name of await readdir(this.#base())) {
        if (name === this.#run || !(await this.#isDead(name)) || !(await this.#isOurs(name))) continue;
        const taken = await this.#takeOver(name, own);
        names.push(...taken);
      }
      return names;
    });
  }

  async create(): Promise<SpoolWriter> {
    return await this.#guarded(async () => {
      const own = await this.#presentFolder();
      const path = join(own, `${++this.#count}${UNFINISHED}`);
      const file = await open(path, "wx", 0o600);
      return {
        write: (bytes) => this.#guarded(async () => await writeAll(file, bytes)),
        finish: (name) =>
          this.#guarded(async () => {
            await file.sync();
            await file.close();
            await rename(path, join(own, name + FINISHED));
            await syncFolder(own);
          }),
        discard: async () => {
          await file.close().catch(() => undefined);
          await rm(path, { force: true }).catch(() => undefined);
        },
      };
    });
  }

  async read(name: string): Promise<SpoolReader | undefined> {
    return await this.#guarded(async () => {
      const path = this.#pathOf(name);
      if (path === undefined) return undefined;
      const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code === "ENOENT") return undefined;
          throw error;
        },
      );
      if (!file) return undefined;
      const { size } = await file.stat();
      const read = (target: Uint8Array, position: number) => this.#guarded(() => readAll(file, target, position));
      return { size, read, close: () => file.close() };
    });
  }

  async remove(name: string): Promise<void> {
    const path = this.#pathOf(name);
    if (path !== undefined) await this.#guarded(async () => await rm(path, { force: true }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    // One that is being made would be left behind.
    await this.#making?.catch(() => undefined);
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    LIVE.delete(run);
    // Only if nothing is left in it for whoever comes next.
    await rmdir(join(this.#base(), run)).catch(() => undefined);
  }

  #base(): string {
    return this.#options.folder ?? join(tmpdir(), `bucketline-${userInfo().uid}`);
  }

  /** @returns undefined before the run has a folder, and when it is over */
  #pathOf(name: string): string | undefined {
    return this.#run === undefined ? undefined : join(this.#base(), this.#run, name + FINISHED);
  }

  /** Folders for temporary files are cleared of what was not used for days, and a run may last for months. */
  async #presentFolder(): Promise<string> {
    const making = this.#ownFolder();
    const own = await making;
    if (await lstat(own).catch(() => undefined)) return own;
    // Under another name: somebody may have made one of this name meanwhile.
    if (this.#making === making) this.#making = undefined;
    return await this.#ownFolder();
  }

  #ownFolder(): Promise<string> {
    if (this.#closed) {
      const message = `The run that used the spool ${this.#base()} is over. Create a new service.`;
      return Promise.reject(new BucketlineError("SPOOL_NOT_WRITABLE", message));
    }
    this.#making ??= this.#makeFolder().catch((error: unknown) => {
      this.#making = undefined;
      throw error;
    });
    return this.#making;
  }

  async #makeFolder(): Promise<string> {
    const base = this.#base();
    await mkdir(base, { recursive: true, mode: 0o700 });
    await this.#checkBase(base);
    const begun = (await startOf(process.pid)) ?? 0;
    const run = `${this.#host}.${process.pid}.${threadId}.${begun}.${newId()}`;
    if (this.#run !== undefined) LIVE.delete(this.#run);
    LIVE.add(run);
    this.#run = run;
    await mkdir(join(base, run), { mode: 0o700 });
    return join(base, run);
  }

  /** Below a folder for everybody's temporary files somebody else may have made it first. */
  async #checkBase(base: string): Promise<void> {
    if (this.#options.folder !== undefined) return;
    const facts = await lstat(base);
    const own = facts.isDirectory() && (process.getuid === undefined || facts.uid === process.getuid());
    if (!own || (process.platform !== "win32" && (facts.mode & 0o022) !== 0))
      throw new BucketlineError("SPOOL_NOT_WRITABLE", `${base} belongs to somebody else. Set spool.folder.`);
  }

  async #isDead(name: string): Promise<boolean> {
    const { host, pid, thread, begun } = RUN.exec(name)?.groups ?? {};
    if (host !== this.#host) return false;
    const process_ = Number(pid);
    if (!isRunning(process_)) return true;
    const start = await startOf(process_);
    if (start !== undefined && Number(begun) !== 0 && start !== Number(begun)) return true;
    const run = name.replace(/\.taken\d+$/, "");
    return process_ === process.pid && Number(thread) === threadId && !LIVE.has(run);
  }

  /** In a folder that others may write to they could put something there that looks like a run of ours. */
  async #isOurs(name: string): Promise<boolean> {
    const facts = await lstat(join(this.#base(), name)).catch(() => undefined);
    return facts?.isDirectory() === true && (process.getuid === undefined || facts.uid === process.getuid());
  }

  /** @returns names of the finished files */
  async #takeOver(name: string, own: string): Promise<string[]> {
    const base = this.#base();
    const taken = join(base, `${this.#run}.taken${++this.#count}`);
    try {
      await rename(join(base, name), taken);
    } catch (error) {
      // Another run was faster.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    const names: string[] = [];
    const there = new Set(await readdir(own));
    for (const file of await readdir(taken)) {
      if (!file.endsWith(FINISHED) || there.has(file)) continue;
      await rename(join(taken, file), join(own, file));
      names.push(file.slice(0, -FINISHED.length));
    }
    await rm(taken, { recursive: true, force: true });
    return names;
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof BucketlineError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      const full = code === "ENOSPC" || code === "EDQUOT";
      const told = `The spool ${this.#base()} ${full ? "is full" : "cannot be used"}: ${message}`;
      throw new BucketlineError(full ? "SPOOL_FULL" : "SPOOL_NOT_WRITABLE", told, { cause: error });
    }
  }
}

type Handle = Awaited<ReturnType<typeof open>>;

async function writeAll(file: Handle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

async function readAll(file: Handle, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** A rename is durable once its folder is. Not every file system knows that of folders. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When the process began, in the kernel's ticks since the machine did (proc(5), field 22 of stat); undefined: unknown. */
async function startOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name in field 2 may hold anything, a closing bracket too.
  const start = Number(stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  return Number.isSafeInteger(start) ? start : undefined;
}
