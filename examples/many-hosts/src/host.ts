// One host: a service of its own in a process of its own, which shares its ledger with the others. Prints what it does.

import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { PostgresStateStore } from "@bucketline/store-postgres";
import type { HostOrder, HostReport } from "./hosts.ts";

const { name, connectionString, client, folder } = JSON.parse(process.argv[2] ?? "") as HostOrder;
const tell = (report: HostReport) => process.stdout.write(`${JSON.stringify(report)}\n`);

const service = new UploadService({
  state: new PostgresStateStore(connectionString),
  objects: new S3ObjectStore(client),
  host: name,
  concurrency: 2,
  // How long the others wait for one that shows no life. Default: 30 s.
  lease: 3_000,
});
service.on("file:started", ({ path }) => tell({ did: "started", path }));
service.on("file:uploaded", ({ path }) => tell({ did: "sent", path }));

await service.start();
// Each of them may: whoever is first registers it, and for the others it is there already.
await service.register({
  id: "shared",
  sourceFolder: folder,
  bucket: "shared",
  keyTemplate: "{path}",
  mode: "once",
});
await service.finished("shared");
await service.stop();
