import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Sandbox } from "../src/index.ts";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));

/** A sandbox in a process of its own, as far as clients need to know it. */
export interface SandboxProcess extends AsyncDisposable {
  child: ChildProcess;
  /** Enough of a sandbox for the signer of these tests. */
  address: Sandbox;
  endpoint: string;
  buckets: string[];
  stop(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export async function run(args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--conditions=@bucketline/source", BIN, ...args]);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data: Buffer) => {
    stdout += data;
  });
  child.stderr.on("data", (data: Buffer) => {
    stderr += data;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

export async function startProcess(args: string[]): Promise<SandboxProcess> {
  const child = spawn(process.execPath, ["--conditions=@bucketline/source", BIN, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line")) as [string];
  const ready = JSON.parse(line) as {
    endpoint: string;
    port: number;
    region: string;
    accessKeyId: string;
    buckets: string[];
  };
  const credentials = { accessKeyId: ready.accessKeyId, secretAccessKey: "sandbox-secret-key" };
  const stop: SandboxProcess["stop"] = async (signal) => {
    const closed = once(child, "exit");
    child.kill(signal);
    const [code, by] = (await closed) as [number | null, NodeJS.Signals | null];
    return { code, signal: by };
  };
  return {
    child,
    address: { port: ready.port, region: ready.region, credentials } as Sandbox,
    endpoint: ready.endpoint,
    buckets: ready.buckets,
    stop,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) await stop("SIGKILL");
    },
  };
}
