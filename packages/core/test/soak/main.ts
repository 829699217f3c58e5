// A folder that is changed at random without a pause, a service that follows it, and at the end one question: do bucket
// and folder agree?

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { SeededRandom } from "../../sim/random.ts";
import { UploadService } from "../../src/index.ts";
import { smallPartStore } from "../support/small-parts.ts";
import { Writer } from "./writer.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    /** Seconds between two restarts of the service; 0: none. */
    restart: { type: "string", default: "45" },
    "no-events": { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const BUCKET = "soak";
const REGISTRATION = {
  id: "u",
  bucket: BUCKET,
  onSourceDelete: "delete",
  deleteLimit: { files: 1e6, share: 1 },
} as const;

class Soak {
  readonly home = mkdtempSync(join(tmpdir(), "bucketline-soak-"));
  readonly source = join(this.home, "source");
  readonly writer: Writer;
  readonly sandbox: Sandbox;
  service: UploadService | undefined;
  uploaded = 0;
  deleted = 0;
  restarts = 0;
  readonly warnings = new Map<string, number>();

  constructor(sandbox: Sandbox) {
    mkdirSync(this.source);
    this.sandbox = sandbox;
    this.writer = new Writer(this.source, new SeededRandom(seed));
  }

  async start(): Promise<void> {
    const service = new UploadService({
      state: new SqliteStateStore(join(this.home, "uploads.db")),
      objects: smallPartStore(this.sandbox.clientConfig),
      chunkSize: 64 * 1024,
      stabilityThreshold: 500,
      monitorInterval: 5_000,
      retry: { baseMs: 200, capMs: 2_000 },
      ...(values["no-events"] ? { watcher: "none" as const } : {}),
    });
    service.on("file:uploaded", () => void this.uploaded++);
    service.on("file:deleted", () => void this.deleted++);
    service.on("warning", ({ code }) => void this.warnings.set(code, (this.warnings.get(code) ?? 0) + 1));
    this.service = service;
    await service.start();
    await service.register({ ...REGISTRATION, sourceFolder: this.source });
  }

  async restartNowAndThen(until: number): Promise<void> {
    const every = Number(values.restart) * 1_000;
    if (every === 0) return;
    for (let next = Date.now() + every; next < until; next += every) {
      await sleep(Math.max(0, next - Date.now()));
      await this.service?.stop();
      await this.start();
      this.restarts++;
    }
  }

  /** Scans until a scan finds nothing new and nothing is left to do. */
  async settle(): Promise<void> {
    const service = this.service as UploadService;
    for (let round = 0; round < 100; round++) {
      const scan = await service.check("u");
      const upload = await service.finished("u").catch(() => undefined);
      if (!upload) await service.retry("u");
      const quiet = scan && scan.added + scan.changed + scan.removed + scan.unstable === 0;
      if (quiet && upload) return;
      await sleep(700);
    }
    throw new Error("It did not come to rest in 100 scans.");
  }

  async compare(): Promise<{ differ: string[]; missing: string[]; extra: string[]; files: number }> {
    const contents = this.writer.contents();
    const keys = new Set((await this.sandbox.objects(BUCKET)).map(({ key }) => key));
    const result = { differ: [] as string[], missing: [] as string[], extra: [] as string[], files: contents.size };
    for (const [path, bytes] of contents) {
      const object = keys.delete(`u/${path}`) ? await this.sandbox.object(BUCKET, `u/${path}`) : undefined;
      if (!object) result.missing.push(path);
      else if (!object.body.equals(bytes)) result.differ.push(path);
    }
    result.extra.push(...keys);
    return result;
  }

  async end(): Promise<void> {
    await this.service?.stop();
    await this.sandbox.close();
    rmSync(this.home, { recursive: true, force: true });
  }
}

const mib = () => Math.round(process.memoryUsage.rss() / 1024 / 1024);

const soak = new Soak(await startSandbox({ buckets: [BUCKET], minPartSize: 1, requestLimit: 1_000 }));
try {
  await soak.start();
  const begun = Date.now();
  const until = begun + minutes * 60_000;
  let early = 0;
  const report = setInterval(
    () => {
      early ||= Date.now() - begun > minutes * 15_000 ? mib() : 0;
      const changes = [...soak.writer.counts.values()].reduce((sum, count) => sum + count, 0);
      console.log(
        `${Math.round((Date.now() - begun) / 1000)} s: ${changes} changes, ${soak.writer.files.length} files, ${soak.uploaded} uploads, ${soak.deleted} deletions, ${mib()} MiB`,
      );
    },
    Math.min(30_000, minutes * 15_000),
  );
  await Promise.all([soak.writer.run(until), soak.restartNowAndThen(until)]);
  clearInterval(report);
  await soak.settle();
  const { differ, missing, extra, files } = await soak.compare();
  const left = soak.sandbox.multipartUploads(BUCKET).length;
  const verified = await (soak.service as UploadService).verify("u", { deep: true });
  const good = differ.length + missing.length + extra.length + left + verified.missing + verified.different === 0;
  for (const [name, paths] of Object.entries({ differ, missing, extra }))
    if (paths.length > 0) console.log(`${name}: ${paths.slice(0, 10).join(", ")}`);
  console.log([...soak.writer.counts].map(([name, count]) => `${count} ${name}`).join(", "));
  if (soak.warnings.size > 0)
    console.log(`warnings: ${[...soak.warnings].map(([code, n]) => `${n} ${code}`).join(", ")}`);
  console.log(
    `soak: ${good ? "good" : "BAD"}, ${minutes} min, ${soak.restarts} restarts, ${files} files in the folder, ${soak.uploaded} uploads, ${soak.deleted} deletions; ${differ.length} differ, ${missing.length} missing, ${extra.length} extra, ${left} multipart uploads left; memory ${early} → ${mib()} MiB; seed ${seed}`,
  );
  process.exitCode = good ? 0 : 1;
} finally {
  await soak.end();
}
