import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a process of its own is to do. */
export interface Task {
  /** `fill` makes a ledger in which every file of the tree is uploaded. */
  readonly type: "scan" | "fill" | "rescan";
  readonly root: string;
  readonly pattern?: string | undefined;
  /** Path of the ledger. */
  readonly ledger?: string;
}

/** What it cost, all threads together, without the start of the process. */
export interface Cost {
  readonly files: number;
  readonly userMs: number;
  readonly systemMs: number;
  /** Highest resident set of the process, in MB. */
  readonly peakMb: number;
  /** Changes written to the ledger. */
  readonly writes: number;
}

export const cpuMs = ({ userMs, systemMs }: Pick<Cost, "userMs" | "systemMs">) => userMs + systemMs;

/** @param cache a folder for compiled code: who has the built package pays for no stripping of types either */
export async function runApart(task: Task, cache: string): Promise<Cost> {
  const child = fileURLToPath(new URL("child.ts", import.meta.url));
  const args = [
    "--conditions=@bucketline/source",
    "--disable-warning=ExperimentalWarning",
    child,
    JSON.stringify(task),
  ];
  return JSON.parse(await output(process.execPath, args, { NODE_COMPILE_CACHE: cache })) as Cost;
}

/** The CPU time of `find`, as the shell's `time` has it. */
export async function runFind(root: string): Promise<Pick<Cost, "userMs" | "systemMs">> {
  const script = 'TIMEFORMAT="%U %S"; { time find "$0" -printf "%s %T@ %p\\n" > /dev/null; } 2>&1';
  const [user, system] = (await output("bash", ["-c", script, root])).trim().split(" ").map(Number);
  if (user === undefined || system === undefined || Number.isNaN(user + system)) {
    throw new Error("find -printf cannot be timed here: it takes bash and GNU find.");
  }
  return { userMs: user * 1_000, systemMs: system * 1_000 };
}

async function output(command: string, args: readonly string[], environment = {}): Promise<string> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...environment } });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error(`${command} ended with ${code}.`);
  return text;
}
