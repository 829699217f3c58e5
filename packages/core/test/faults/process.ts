import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import type { RegisterOptions, ServiceOptions } from "../../src/index.ts";
import type { S3ObjectStoreOptions } from "../../src/s3/index.ts";
import { type Bed, BUCKET } from "./bed.ts";

/** What the uploader process is to do. */
export interface Order {
  readonly client: S3ObjectStoreOptions;
  readonly ledger: string;
  readonly folder: string;
  readonly bucket: string;
  readonly service: Partial<ServiceOptions>;
  readonly upload: Partial<RegisterOptions>;
}

export interface Told {
  readonly event: string;
  readonly code?: string;
  readonly message?: string;
  readonly path?: string;
  readonly command?: string;
  readonly result?: unknown;
}

export interface RunOptions {
  readonly service?: Partial<ServiceOptions>;
  readonly upload?: Partial<RegisterOptions>;
  /** Command and arguments that the process is started by, such as `["unshare", "-rm"]`. */
  readonly wrapper?: readonly string[];
  readonly uid?: number;
}

const FLAGS = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

/** A service in a process of its own, on the bed's folder, ledger and S3 server. */
export class UploaderProcess {
  readonly told: Told[] = [];
  readonly pid: number;
  readonly #send: (line: string) => void;
  readonly #waiting = new Set<() => void>();
  #over: string | undefined;

  constructor(bed: Bed, options: RunOptions) {
    const order: Order = {
      client: bed.sandbox.clientConfig,
      ledger: bed.ledger,
      folder: bed.source,
      bucket: BUCKET,
      service: options.service ?? {},
      upload: options.upload ?? {},
    };
    const program = fileURLToPath(new URL("./uploader.ts", import.meta.url));
    const [command, ...args] = [...(options.wrapper ?? []), process.execPath, ...FLAGS, program, JSON.stringify(order)];
    const owner = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
    const child = spawn(command as string, args, { stdio: ["pipe", "pipe", "pipe"], ...owner });
    this.pid = child.pid ?? 0;
    // It may be gone already.
    child.stdin.on("error", () => {});
    this.#send = (line) => void child.stdin.write(`${line}\n`);
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.told.push(JSON.parse(line) as Told);
      for (const look of this.#waiting) look();
    });
    const ended = new Promise<number | null>((resolve) => {
      child.once("close", (code) => {
        this.#over = errors;
        for (const look of this.#waiting) look();
        resolve(code);
      });
    });
    // An unhandled rejection in the process ends it with another code than 0.
    onTestFinished(async () => {
      if (this.#over === undefined) this.#send("stop");
      expect(await ended, errors).toBe(0);
    });
  }

  /** The first thing told so, now or later. @throws Error when the process ends without it */
  hear(matches: (told: Told) => boolean): Promise<Told> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.told.find(matches);
        if (!found && this.#over === undefined) return;
        this.#waiting.delete(look);
        if (found) resolve(found);
        else reject(new Error(`The process ended. ${this.#over}`));
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Gives a command and waits for its answer. */
  async ask(command: string): Promise<Told> {
    const from = this.told.length;
    const [name] = command.split(" ");
    this.#send(command);
    return await this.hear((told) => told.command === name && this.told.indexOf(told) >= from);
  }

  /** As `ask`, for commands that must succeed. @returns their result */
  async do<T = unknown>(command: string): Promise<T> {
    const answer = await this.ask(command);
    expect(answer).toMatchObject({ event: "done" });
    return answer.result as T;
  }

  hearCode(code: string): Promise<Told> {
    return this.hear((told) => told.code === code);
  }
}

/** Whether this machine lets us mount file systems in a namespace of our own. */
export const canMount = spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs none /mnt"]).status === 0;
