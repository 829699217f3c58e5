import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Answer, DatabaseServer, Task } from "./measurement.ts";
import type { Options } from "./options.ts";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));
const START_MS = 60_000;
/** A hundred times what a row costs on a slow day: a store that takes longer is stuck. */
const MS_PER_ROW = 5;

/** Measures in a process of its own, so that memory and compiled code are its own. Never rejects. */
export async function measureApart(task: Omit<Task, "folder">, options: Options): Promise<Answer> {
  const folder = mkdtempSync(join(resolve(options.folder ?? tmpdir()), "bucketline-bench-"));
  const clean = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", clean);
  try {
    return await answerOf({ ...task, folder }, options);
  } finally {
    process.off("exit", clean);
    clean();
  }
}

function answerOf(task: Task, { profiles }: Options): Promise<Answer> {
  const timeout = START_MS + task.rows * MS_PER_ROW;
  const profiling =
    profiles === undefined
      ? []
      : [
          "--cpu-prof",
          `--cpu-prof-dir=${resolve(profiles)}`,
          `--cpu-prof-name=${task.subject}-${task.rows}.cpuprofile`,
        ];
  const execArgv = [...process.execArgv, "--expose-gc", ...profiling];
  const child = fork(CHILD, [JSON.stringify(task)], { execArgv, timeout, killSignal: "SIGKILL" });
  return new Promise((settle) => {
    child.once("message", (answer: Answer) => settle(answer));
    child.once("error", (error) => settle({ error: error.message }));
    child.once("exit", (code, signal) => {
      const late = signal === "SIGKILL" ? ` It may take ${timeout / 1_000} s.` : "";
      settle({ error: `Its process ended (${signal ?? `exit code ${code}`}) before it had an answer.${late}` });
    });
  });
}

/** The server of `DATABASE_URL`, or one of our own that syncs to the disk as the other stores do. */
export async function findServer(): Promise<DatabaseServer & { readonly stop: () => Promise<void> }> {
  const url = process.env.DATABASE_URL;
  if (url !== undefined && /^postgres(ql)?:/.test(url)) return { url, stop: async () => {} };
  const { startPostgres } = await import("@bucketline/postgres-sandbox");
  const server = await startPostgres({ durable: true });
  return { url: server.connectionString, pid: server.pid, stop: () => server.stop() };
}
