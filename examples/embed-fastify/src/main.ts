import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { startSandbox } from "@bucketline/s3-sandbox";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { buildApp } from "./app.ts";

const home = await mkdtemp(join(tmpdir(), "bucketline-embed-fastify-"));
const photos = join(home, "photos");
await mkdir(photos);
for (let n = 1; n <= 12; n++) await writeFile(join(photos, `${n}.jpg`), randomBytes(20_000));

const sandbox = await startSandbox({ buckets: ["photos"] });
const service = new UploadService({
  state: new SqliteStateStore(join(home, "uploads.db")),
  objects: new S3ObjectStore(sandbox.clientConfig),
  allowedRoots: [home],
  stabilityThreshold: 0,
});
const password = process.env.SHOP_PASSWORD || randomBytes(9).toString("base64url");
const app = await buildApp({
  service,
  people: [
    { name: "ada", password, scopes: ["admin"] },
    { name: "guest", password, scopes: ["read"] },
  ],
});

try {
  const url = await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT || 8080) });
  await service.register({ id: "photos", sourceFolder: photos, bucket: "photos" });
  process.stdout.write(`The shop   ${url}/\nDashboard  ${url}/uploads-admin/\n`);
  process.stdout.write(`Log in as ada (may do everything) or guest (may look), password ${password}\n`);
  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
} finally {
  // Requests in flight finish, then transfers, then the stores close.
  await app.close();
  process.stdout.write(`Stopped; the bucket holds ${sandbox.objects("photos").length} objects.\n`);
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
}
