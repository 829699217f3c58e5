import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Sandbox, type SandboxOptions, startSandbox } from "@bucketline/s3-sandbox";

export const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
export const FROM_SOURCES = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
}

/** A folder of its own in which the real program runs, and an S3 sandbox beside it. */
export class Bed {
  readonly folder: string;
  readonly sandbox: Sandbox;
  readonly #running = new Set<ChildProcessWithoutNullStreams>();

  private constructor(folder: string, sandbox: Sandbox) {
    this.folder = folder;
    this.sandbox = sandbox;
  }

  static async open(options: SandboxOptions = {}): Promise<Bed> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "bucketline-cli-")));
    return new Bed(folder, await startSandbox({ buckets: ["my-bucket"], ...options }));
  }

  async close(): Promise<void> {
    for (const child of this.#running) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
    await this.sandbox.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** @param path relative to the folder @returns the absolute path */
  async write(path: string, content: string | Buffer): Promise<string> {
    const absolute = join(this.folder, path);
    await mkdir(dirname(absolute), { recursive: true });
    await writeFile(absolute, content);
    return absolute;
  }

  /** What a shell would have, with the sandbox as the object store. Nothing of the machine's own settings. */
  get environment(): Record<string, string> {
    const { accessKeyId, secretAccessKey } = this.sandbox.credentials;
    return {
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
      AWS_ENDPOINT_URL: this.sandbox.endpoint,
      AWS_REGION: this.sandbox.region,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    };
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, [...FROM_SOURCES, MAIN, ...args], {
      cwd: this.folder,
      env: { ...this.environment, ...environment },
    });
    this.#running.add(child);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.stdin.end();
    const ended = once(child, "close").then(([code]) => {
      this.#running.delete(child);
      return { code: code as number | null, stdout, stderr };
    });
    return { process: child, ended };
  }

  async run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return await this.start(args, environment).ended;
  }

  /** The JSON objects that a command prints, which must end well. */
  async json(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Record<string, unknown>[]> {
    const { code, stdout, stderr } = await this.run([...args, "--json"], environment);
    if (code !== 0) throw new Error(`bucketline ${args.join(" ")} ended with ${code}: ${stderr}`);
    return linesOf(stdout);
  }
}

export function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
