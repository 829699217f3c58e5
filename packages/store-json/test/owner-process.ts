import { createInterface } from "node:readline";
import { JsonStateStore } from "../src/index.ts";
import { aFile, aNotice, anUpload, NOW } from "./folder.ts";

/**
 * A process of its own that does what it reads, a line at a time, with one JSON answer each:
 * `open PATH` · `count` writes forever and tells each number that was acknowledged · `commit NAME` · `close`
 */
const answer = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
let store: JsonStateStore | undefined;

async function commit(name: string, text = ""): Promise<unknown> {
  const change = { before: null, after: aFile(name, { fingerprint: text }), notices: [aNotice(name)] };
  const [outcome] = (await store?.commit([change])) ?? [];
  return outcome;
}

/** Two writers, so that some groups hold several calls; large records, so that the journals are folded now and then. */
async function count(): Promise<never> {
  const have = (await store?.counters("u"))?.PENDING.files ?? 0;
  const write = async (writer: string) => {
    for (let n = have; ; n++) {
      await commit(`${n}-${writer}`, "x".repeat(20_000));
      answer(`${n}-${writer}`);
    }
  };
  return Promise.race([write("a"), write("b")]);
}

async function run(task: string, argument: string): Promise<unknown> {
  if (task === "open") {
    store = new JsonStateStore({ path: argument, takeoverMs: 3_000 });
    await store.open();
    await store.insertUpload(anUpload());
    return "open";
  }
  if (task === "commit") return commit(argument);
  if (task === "count") return count();
  if (task === "claim") {
    const take = (file: ReturnType<typeof aFile>) => ({ ...file, revision: file.revision + 1 });
    const request = { uploadId: "u", uploadState: "IN_PROGRESS", limit: 1, now: NOW, horizon: NOW, take } as const;
    return (await store?.claim(request))?.length;
  }
  await store?.close();
  return "closed";
}

answer("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [task = "", argument = ""] = line.split(" ");
  try {
    answer(await run(task, argument));
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    answer({ code: code ?? "UNEXPECTED", message });
  }
}
