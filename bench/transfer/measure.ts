import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What a command cost with all its processes. */
export interface Cost {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** Highest resident memory of its processes together. */
  readonly rssMiB: number;
}

const POLL_MS = 15;
const LOG_LINES = 12;

/** The shell's own `time`: user and system of the command and of all that it waited for, to the millisecond. */
const SCRIPT = 'TIMEFORMAT="%3U %3S %3R"; { time "$@" >"$BENCH_LOG" 2>&1; } 2>&3';

/** What tools need to start. Nobody's proxies, profiles and settings: they would be measured, too. */
const KEPT = ["HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYENV_ROOT", "PYENV_VERSION", "TMPDIR", "USER"];

function surroundings(): Record<string, string> {
  return Object.fromEntries(
    KEPT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

/** @param log file for what the command prints @throws Error with the end of the log when the command fails */
export async function measure({ program, args, env }: Command, log: string): Promise<Cost> {
  const child = spawn("bash", ["-c", SCRIPT, "bash", program, ...args], {
    env: { ...surroundings(), ...env, BENCH_LOG: log },
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  let times = "";
  child.stdio[3]?.on("data", (data: Buffer) => {
    times += data.toString();
  });
  let rssMiB = 0;
  const poll = setInterval(() => {
    if (child.pid !== undefined) rssMiB = Math.max(rssMiB, residentMiB(childrenOf(child.pid)));
  }, POLL_MS);
  try {
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    const [user, system, wall] = times.trim().split("\n").at(-1)?.split(" ").map(Number) ?? [];
    if (code !== 0 || user === undefined || system === undefined || wall === undefined) {
      throw new Error(`${program} ended with ${code}: ${endOf(log)}`);
    }
    return { cpuSeconds: user + system, wallSeconds: wall, rssMiB };
  } finally {
    clearInterval(poll);
  }
}

/** @throws Error like `measure` @returns what the command printed, too */
export async function measureAnswer(command: Command, log: string): Promise<Cost & { readonly answer: string }> {
  closeSync(openSync(log, "w"));
  const cost = await measure(command, log);
  return { ...cost, answer: readFileSync(log, "utf8") };
}

function endOf(log: string): string {
  try {
    return readFileSync(log, "utf8").trim().split("\n").slice(-LOG_LINES).join("\n");
  } catch {
    return "it printed nothing";
  }
}

function childrenOf(pid: number): number[] {
  try {
    const direct = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return direct === "" ? [] : direct.split(" ").map(Number);
  } catch {
    return [];
  }
}

/** High-water marks of the processes that are alive, and of their children: what was between two looks counts, too. */
function residentMiB(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    try {
      total += Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1_024;
    } catch {
      // Gone since.
    }
    total += residentMiB(childrenOf(pid));
  }
  return total;
}
