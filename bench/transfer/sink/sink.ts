import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Certificate, makeCertificate } from "./certificate.ts";
import type { Ports, Question, Reading } from "./protocol.ts";

/**
 * An S3 server that throws bodies away, in a process of its own: it remembers sizes, checksums and metadata, checks no
 * signatures, and exists so that clients are what is measured.
 */
export class Sink {
  readonly #process: ChildProcess;
  readonly #ports: Ports;
  /** File with the authority of its https side; undefined: there is no https side, and `noTls` says why. */
  readonly caFile: string | undefined;
  readonly noTls: string | undefined;

  private constructor(child: ChildProcess, ports: Ports, caFile: string | undefined, noTls: string | undefined) {
    this.#process = child;
    this.#ports = ports;
    this.caFile = caFile;
    this.noTls = noTls;
  }

  /** @param folder where keys and certificates go */
  static async start(folder: string): Promise<Sink> {
    let certificate: Certificate | undefined;
    let noTls: string | undefined;
    try {
      certificate = makeCertificate(folder);
    } catch (error) {
      noTls = (error as Error).message;
    }
    const child = fork(fileURLToPath(new URL("./process.ts", import.meta.url)), [], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    const tls = certificate && { key: certificate.key, cert: certificate.cert };
    const ports = await ask<Ports>(child, { ask: "listen", tls });
    return new Sink(child, ports, certificate?.caFile, noTls);
  }

  endpoint(secure = false): string {
    return secure ? `https://127.0.0.1:${this.#ports.https}` : `http://127.0.0.1:${this.#ports.http}`;
  }

  /** Starts counting anew. @param all forgets the objects, too */
  async clear({ all = true, delayMs = 0 }: { all?: boolean; delayMs?: number } = {}): Promise<void> {
    await ask(this.#process, { ask: "clear", all, delayMs });
  }

  async read(): Promise<Reading> {
    return await ask<Reading>(this.#process, { ask: "read" });
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.disconnect();
    await ended;
  }
}

function ask<T>(child: ChildProcess, question: Question): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`The sink ended with ${code}.`));
    child.once("exit", ended);
    child.once("message", (reply) => {
      child.off("exit", ended);
      resolve(reply as T);
    });
    child.send(question);
  });
}
