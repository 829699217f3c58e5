import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { startPostgres } from "@bucketline/postgres-sandbox";
import { PostgresStateStore } from "@bucketline/store-postgres";
import { expect, test } from "vitest";
import { Bed, linesOf } from "./support/program.ts";

const PASSWORD = "hunter2-and-more";

test("a PostgreSQL ledger is shared with a running service, and its password is nowhere to be read", async () => {
  const bed = await Bed.open();
  const server = await startPostgres({ password: PASSWORD });
  const environment = { DATABASE_URL: server.connectionString };
  expect(server.connectionString).toContain(PASSWORD);
  const objects = new S3ObjectStore(bed.sandbox.clientConfig);
  const service = new UploadService({
    state: new PostgresStateStore(server.connectionString),
    objects,
    watcher: "none",
    stabilityThreshold: 0,
  });
  try {
    await bed.write("photos/a.jpg", "a jpeg");
    await service.start();
    await bed.json(["register", "photos", "s3://my-bucket", "--id", "photos"], environment);
    await service.finished("photos");
    const all = [
      await bed.run(["status", "--json"], environment),
      await bed.run(["files", "photos", "--json"], environment),
      await bed.run(["pause", "photos", "--json"], environment),
      await bed.run(["status"], environment),
      await bed.run(["config"], environment),
      await bed.run(["status", "other"], environment),
    ];
    expect(all.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 2]);
    expect(all.flatMap(({ stdout }) => stdout.includes("********")).filter(Boolean)).toHaveLength(3);
    expect(JSON.stringify(all)).not.toContain(PASSWORD);
    expect(linesOf(all[1]?.stdout ?? "")).toMatchObject([{ path: "a.jpg", state: "UPLOADED" }]);
    expect((await service.get("photos")).state).toBe("PAUSED");
  } finally {
    await service.stop();
    await server.stop();
    await bed.close();
  }
});
