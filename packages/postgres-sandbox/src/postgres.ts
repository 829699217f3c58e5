import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ClusterOrder } from "./cluster.ts";
import { PostgresSandboxError } from "./errors.ts";
import type { Command, Reply } from "./messages.ts";

export interface PostgresOptions {
  /** Asks every connection for it (SCRAM). Default: none, whoever reaches 127.0.0.1 is let in. */
  readonly password?: string;
  /** PostgreSQL's own settings: synced commits, full pages, 128 MB of buffers. Default false: fast, and safe against all but a crash of the machine. */
  readonly durable?: boolean;
  /** Further settings of postgresql.conf by name; they win over ours. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Postgres {
  /** Of the superuser `postgres` and the database `postgres`. */
  readonly connectionString: string;
  readonly port: number;
  /** Of the server's first process; another one after a restart. */
  readonly pid: number;
  /** Ends the server and removes its data. Repeating it is harmless. */
  stop(): Promise<void>;
  /** Ends the server as a crash would: every connection breaks, nothing is written any more. `restart` recovers. */
  kill(): Promise<void>;
  /** Ends the server, when it runs, and starts it with the same data on the same port. */
  restart(): Promise<void>;
}

const SUPERVISOR = fileURLToPath(new URL("./supervisor.ts", import.meta.url));

/**
 * Starts a PostgreSQL on 127.0.0.1, a free port and an empty data folder under the system's folder for temporary files.
 * It answers when the promise resolves, and ends, data and all, with the process that started it: also when that one is
 * killed.
 * @throws PostgresSandboxError when there is none for this platform, or it does not start
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const server = new Supervised(options);
  try {
    await server.command("create");
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

class Supervised implements Postgres {
  readonly #password: string | undefined;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #address = { port: 0, pid: 0 };
  #commands = 0;
  #errors = "";
  #over = false;
  #stopping: Promise<void> | undefined;

  constructor({ password, durable = false, settings = {} }: PostgresOptions) {
    this.#password = password;
    const order: ClusterOrder = { password, durable, settings };
    // Its own group: Ctrl-C in a terminal must not end the server before whoever uses it.
    this.#child = fork(SUPERVISOR, [JSON.stringify(order)], {
      detached: true,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#child.on("message", (reply: Reply) => this.#waiting.get(reply.id)?.(reply));
    this.#exited = new Promise((resolve) => {
      const over = () => {
        this.#over = true;
        for (const [id, settle] of this.#waiting) settle({ id, error: this.#lost() });
        resolve();
      };
      this.#child.once("error", (error) => {
        this.#errors += error.message;
        over();
      });
      this.#child.once("close", over);
    });
  }

  get connectionString(): string {
    const secret = this.#password === undefined ? "" : `:${encodeURIComponent(this.#password)}`;
    return `postgres://postgres${secret}@127.0.0.1:${this.#address.port}/postgres`;
  }

  get port(): number {
    return this.#address.port;
  }

  get pid(): number {
    return this.#address.pid;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async kill(): Promise<void> {
    await this.command("kill");
  }

  async restart(): Promise<void> {
    await this.command("restart");
  }

  async command(command: Command["command"]): Promise<void> {
    const id = this.#commands++;
    const reply = await new Promise<Reply>((resolve) => {
      if (this.#over || !this.#child.connected) return resolve({ id, error: this.#lost() });
      this.#waiting.set(id, resolve);
      this.#child.send({ id, command } satisfies Command, (error) => {
        if (error) resolve({ id, error: this.#lost() });
      });
    });
    this.#waiting.delete(id);
    if ("error" in reply) throw new PostgresSandboxError(reply.error);
    this.#address = { port: reply.port, pid: reply.pid };
  }

  async #stop(): Promise<void> {
    if (this.#over) return;
    // It ends by itself after its answer. Were the channel closed from here, Node.js would emit no "close".
    await this.command("stop");
    await this.#exited;
  }

  #lost(): string {
    return `The process that looks after PostgreSQL has ended. ${this.#errors}`;
  }
}
