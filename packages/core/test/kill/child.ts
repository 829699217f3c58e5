import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program of ours in a process of its own, run from its sources, that prints one line at each stage it reaches. */
export class Child {
  readonly ended: Promise<Ending>;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #errors = "";
  #over = false;

  /** @param compileCache a folder where compiled sources are kept; more than halves the time to start */
  constructor(program: string, args: readonly string[], compileCache?: string) {
    const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
    this.#process = spawn(process.execPath, [...flags, program, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...(compileCache !== undefined && { NODE_COMPILE_CACHE: compileCache }) },
    });
    const { stdout, stderr } = this.#process;
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#notice(line));
    stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#process.once("error", reject);
      this.#process.once("close", (code, signal) => {
        this.#over = true;
        for (const look of this.#waiting) look();
        resolve({ code, signal });
      });
    });
  }

  /** What it printed so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** What it wrote to stderr so far. */
  get errors(): string {
    return this.#errors;
  }

  /**
   * The first line that begins so, now or later.
   * @throws Error when the process ends without one
   */
  line(start: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.#lines.find((line) => line.startsWith(start));
        if (found === undefined && !this.#over) return;
        this.#waiting.delete(look);
        if (found !== undefined) resolve(found);
        else reject(new Error(`The process ended before it printed ${JSON.stringify(start)}. ${this.#errors}`));
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Sends a signal; resolves when the process is gone. */
  async signal(signal: "SIGKILL" | "SIGTERM"): Promise<Ending> {
    this.send(signal);
    return await this.ended;
  }

  /** Sends a signal and waits for nothing. */
  send(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(signal);
  }

  #notice(line: string): void {
    this.#lines.push(line);
    for (const look of this.#waiting) look();
  }
}
