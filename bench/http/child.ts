import { type ChildProcess, fork } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** What a child process can be asked, by name. */
export type Answers = Readonly<Record<string, (argument: never) => unknown>>;

interface Question {
  readonly name: string;
  readonly argument: unknown;
}

type Reply = { readonly value: unknown } | { readonly error: string };

/** A program in a process of its own, whose functions are called one at a time. */
export class Child<T extends Answers> {
  readonly #process: ChildProcess;
  readonly #module: string;

  /** @param module file name beside this one */
  constructor(module: string, profiles?: string) {
    this.#module = module;
    const name = module.replace(/\.ts$/, ".cpuprofile");
    const profiling =
      profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(profiles)}`, `--cpu-prof-name=${name}`];
    const execArgv = [...process.execArgv, ...profiling];
    this.#process = fork(fileURLToPath(new URL(`./${module}`, import.meta.url)), [], { execArgv });
  }

  /** @throws Error when the function does, or the process has ended */
  async ask<Name extends keyof T & string>(
    name: Name,
    ...[argument]: Parameters<T[Name]>
  ): Promise<Awaited<ReturnType<T[Name]>>> {
    const reply = await this.#reply({ name, argument });
    if ("error" in reply) throw new Error(`${this.#module}, ${name}: ${reply.error}`);
    return reply.value as Awaited<ReturnType<T[Name]>>;
  }

  #reply(question: Question): Promise<Reply> {
    return new Promise((settle) => {
      const ended = (code: number | null, signal: string | null) =>
        settle({ error: `its process ended (${signal ?? `exit code ${code}`})` });
      this.#process.once("exit", ended);
      this.#process.once("message", (reply: Reply) => {
        this.#process.off("exit", ended);
        settle(reply);
      });
      this.#process.send(question, (error) => error && settle({ error: error.message }));
    });
  }

  /** Lets the process end by itself. */
  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((settle) => this.#process.once("exit", settle));
    this.#process.disconnect();
    await ended;
  }
}

/** Makes this process answer; it ends with its parent. @param end what must be done before */
export function answer(answers: Answers, end: () => Promise<void> | void = () => {}): void {
  process.on("message", async ({ name, argument }: Question) => {
    process.send?.(await replyOf(answers, name, argument));
  });
  process.once("disconnect", async () => {
    await end();
    process.exit(0);
  });
}

async function replyOf(answers: Answers, name: string, argument: unknown): Promise<Reply> {
  try {
    return { value: await answers[name]?.(argument as never) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
