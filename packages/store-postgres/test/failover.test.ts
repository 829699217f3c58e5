import { expect, test } from "vitest";
import type { PostgresStateStoreOptions } from "../src/index.ts";
import { address, aFile, anUpload, newSchema, opened, sql, usePostgres } from "./database.ts";

usePostgres();

const WAYS: readonly [string, PostgresStateStoreOptions][] = [
  ["of our own", {}],
  ["of a pooler, which hides that the server is another one", { transactionPooler: true }],
];

test.each(WAYS)(
  "on connections %s, an upload that a failover has lost is not taken for the one that has its number now",
  async (_, options) => {
    const schema = newSchema();
    const connectionString = `${address()}?application_name=${schema}`;
    const store = await opened(schema, { connectionString, ...options });
    await store.insertUpload(anUpload("lost"));
    expect(await store.commit([{ before: null, after: aFile("a", { uploadId: "lost" }) }])).toEqual(["applied"]);
    // As on a standby that was promoted before it had heard of the upload.
    await sql(`DELETE FROM ${schema}.files`);
    await sql(`UPDATE ${schema}.uploads SET id = 'other'`);
    if (!options.transactionPooler)
      await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", [schema]);
    const late = [{ before: null, after: aFile("b", { uploadId: "lost" }) }];
    await expect(store.commit(late)).rejects.toMatchObject({ code: "UPLOAD_NOT_FOUND" });
    expect(await store.listFiles("other", { limit: 9 })).toEqual([]);
  },
);
