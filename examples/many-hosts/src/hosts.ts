import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ClientConfig } from "@bucketline/s3-sandbox";

const PROGRAM = fileURLToPath(new URL("host.ts", import.meta.url));

/** What a host is told when it is started. */
export interface HostOrder {
  readonly name: string;
  readonly connectionString: string;
  readonly client: ClientConfig;
  readonly folder: string;
}

/** What a host tells. */
export interface HostReport {
  readonly did: "started" | "sent";
  readonly path: string;
}

/** A process, seen from the one that started it. */
export class Host {
  readonly name: string;
  readonly sent: string[] = [];
  /** Files on their way. */
  readonly sending = new Set<string>();
  readonly ended: Promise<unknown>;
  readonly #process: ChildProcess;

  constructor(order: HostOrder, onReport: (host: Host) => void) {
    this.name = order.name;
    this.#process = spawn(process.execPath, [...process.execArgv, PROGRAM, JSON.stringify(order)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.ended = once(this.#process, "close");
    if (!this.#process.stdout) throw new Error("A host has no output.");
    createInterface(this.#process.stdout).on("line", (line) => {
      this.#hear(JSON.parse(line) as HostReport);
      onReport(this);
    });
  }

  /** As when the machine loses its power. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  get wasKilled(): boolean {
    return this.#process.signalCode === "SIGKILL";
  }

  /** Null while it runs, and for one that was killed. */
  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  #hear({ did, path }: HostReport): void {
    if (did === "started") this.sending.add(path);
    if (did === "sent" && this.sending.delete(path)) this.sent.push(path);
  }
}
