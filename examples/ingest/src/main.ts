import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { createServer, stopOnSignal } from "@bucketline/http";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { runDemo } from "./demo.ts";
import { type Destination, openDestination } from "./destination.ts";
import { openKey } from "./key.ts";
import { homeIn, nameOf, readSettings, type Settings, USAGE, UsageError } from "./settings.ts";
import { ingestSteps } from "./steps.ts";
import { type Print, printTrace } from "./trace.ts";

const print: Print = (line) => process.stdout.write(`${line}\n`);

/** Of the demo: nobody is to wait for five seconds of quiet, and a minute for the next look. */
const HASTE = { stabilityThreshold: 300, monitorInterval: 1_000 };

async function main(settings: Settings): Promise<number> {
  if (settings.folder !== undefined) {
    const home = join(settings.data, nameOf(settings.folder));
    await mkdir(home, { recursive: true, mode: 0o700 });
    return await ingest(settings, settings.folder, home);
  }
  const temporary = await mkdtemp(join(tmpdir(), "bucketline-ingest-"));
  try {
    const [folder, home] = [join(temporary, "drop"), join(temporary, "home")];
    for (const path of [folder, home]) await mkdir(path);
    return await ingest(settings, folder, home);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function ingest(settings: Settings, folder: string, home: string): Promise<number> {
  const { ledger, key, spool, sandbox } = homeIn(home);
  const keys = await openKey(key);
  const destination = await openDestination(settings.ownBucket, sandbox);
  const service = new UploadService({
    state: new SqliteStateStore(ledger),
    objects: new S3ObjectStore(destination.client),
    allowedRoots: [folder],
    pipelines: { ingest: ingestSteps(keys, settings.clamdSocket) },
    spool: { folder: spool },
    ...(settings.folder === undefined && HASTE),
  });
  try {
    const upload = { id: nameOf(folder), folder };
    await service.register({
      id: upload.id,
      sourceFolder: folder,
      bucket: destination.bucket,
      keyTemplate: "{id}/{yyyy}/{mm}/{dd}/{path}",
      drop: {},
      pipeline: "ingest",
    });
    printTrace(service, folder, print);
    return await serve(settings, { service, upload, destination, keys });
  } finally {
    await service.stop();
    await destination.close();
  }
}

type Running = Omit<Parameters<typeof runDemo>[0], "print" | "signal">;

async function serve({ port, folder, clamdSocket }: Settings, running: Running): Promise<number> {
  const { service, upload, destination } = running;
  const server = await createServer({ service, port, buckets: [destination.bucket] });
  try {
    describe(clamdSocket, destination, upload.folder);
    print(`Dashboard    ${server.url}/#/uploads/${upload.id}`);
    if (folder === undefined) return await demo(running);
    await service.start();
    print("Put files into incoming/. Ctrl-C stops.");
    await stopOnSignal({ server, service });
    print("Stopped. The same command again goes on from here.");
    return 0;
  } finally {
    await server.close();
  }
}

async function demo(running: Running): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  try {
    return (await runDemo({ ...running, print, signal: stop.signal })) ? 0 : 1;
  } catch (error) {
    if (stop.signal.aborted) return 130;
    throw error;
  }
}

function describe(clamdSocket: string | undefined, destination: Destination, folder: string): void {
  print(`Drop folder  ${folder}`);
  print(`Bucket       ${destination.name}`);
  print(`Virus scan   ${clamdSocket ?? "off: nothing is scanned; CLAMD_SOCKET names the socket of a clamd"}`);
}

// A reader that goes away ends the output, not the service.
process.stdout.on("error", () => {});

try {
  process.exitCode = await main(readSettings(process.argv.slice(2), process.env));
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n${USAGE}`);
  // Ours and the system's, such as a port in use, say what happened; anything else is a mistake in this program.
  else if (error instanceof Error && "code" in error) process.stderr.write(`${error.code}: ${error.message}\n`);
  else throw error;
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
