import { once } from "node:events";
import { type FileRecord, reduceFile } from "@bucketline/core";
import { SqliteStateStore } from "../src/index.ts";

/** A process of its own that works on a database: `owner-process.ts open|claim|hold DATABASE OWNER`, one JSON answer per line. */
const [, , task, path = "", owner = ""] = process.argv;
const take = (file: FileRecord) => reduceFile(file, { type: "claim", owner }, Date.now());
const answer = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

answer("ready");
await once(process.stdin, "data");
const store = new SqliteStateStore({ path, busyTimeoutMs: 20_000 });
await store.open();
await store.heartbeat(owner, 3_600_000);
const request = {
  uploadId: "u",
  uploadState: "IN_PROGRESS",
  now: Date.now(),
  horizon: Number.MAX_SAFE_INTEGER,
  take,
} as const;

if (task === "claim") {
  const paths: string[] = [];
  for (;;) {
    const files = await store.claim({ ...request, limit: 7 });
    if (files.length === 0) break;
    paths.push(...files.map((file) => file.path));
    const uploaded = files.map((before) => ({
      before,
      after: { ...before, revision: before.revision + 1, state: "UPLOADED" } as const,
    }));
    await store.commit(uploaded);
  }
  answer(paths);
}
if (task === "hold") {
  answer((await store.claim({ ...request, limit: 5 })).map((file) => file.path));
  setInterval(() => {}, 1_000);
} else {
  await store.close();
  answer("closed");
  process.stdin.destroy();
}
