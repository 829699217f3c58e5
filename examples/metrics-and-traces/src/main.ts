import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { createServer } from "@bucketline/http";
import { startSandbox } from "@bucketline/s3-sandbox";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { PrintSpans } from "./print-spans.ts";

const KEY_METRICS =
  /^bucketline_(ready|queue_files|bucket_up|files\{|files_uploaded_total|files_uploaded_bytes_total|http_requests_total)/;

const print = (line: string) => process.stdout.write(`${line}\n`);

const home = await mkdtemp(join(tmpdir(), "bucketline-metrics-and-traces-"));
const sourceFolder = join(home, "photos");
await mkdir(sourceFolder);
for (let n = 1; n <= 3; n++) await writeFile(join(sourceFolder, `${n}.jpg`), randomBytes(20_000));
await writeFile(join(sourceFolder, "holiday.mov"), randomBytes(12 * 2 ** 20));

const sandbox = await startSandbox({ buckets: ["photos"] });
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new PrintSpans(print))] });
const service = new UploadService({
  state: new SqliteStateStore(join(home, "uploads.db")),
  objects: new S3ObjectStore(sandbox.clientConfig),
});
// Spans of requests, uploads, files and parts. The metrics need nothing but the server.
const server = await createServer({ service, port: 0, tracing: { tracer: provider.getTracer("bucketline") } });
try {
  await service.start();
  const { id } = await service.register({ id: "photos", sourceFolder, bucket: "photos", mode: "once" });
  await service.finished(id);
  await fetch(`${server.url}/api/v1/uploads/${id}`).then((answer) => answer.arrayBuffer());
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  for (const line of metrics.split("\n").filter((metric) => KEY_METRICS.test(metric))) print(line);
} finally {
  await server.close();
  await service.stop();
  await provider.shutdown();
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
}
