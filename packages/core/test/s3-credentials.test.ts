import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { afterEach, expect, test, vi } from "vitest";
import { S3ObjectStore } from "../src/s3/index.ts";
import { sendError, sendXml, startServer } from "./s3-server.ts";
import { dataPath, onBothPaths } from "./support/data-paths.ts";

const body = new TextEncoder().encode("x");
const put = { bucket: "b", key: "k", body, checksum: "crc32:8cdc1683", settings: {}, token: "t" } as const;
const address = { bucket: "b", key: "k" };

const open: { close(): unknown }[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const each of open.splice(0)) await each.close();
});

/** Nothing but what the test sets tells the SDK where credentials are. */
async function emptyEnvironment(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bucketline-credentials-"));
  open.push({ close: () => rm(folder, { recursive: true }) });
  for (const name of ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"])
    vi.stubEnv(`AWS_${name}`, undefined);
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(folder, "credentials"));
  vi.stubEnv("AWS_CONFIG_FILE", join(folder, "config"));
  return folder;
}

/** A store that takes the session token TOKEN2 and no other, and says which it was shown. */
async function choosyStore(): Promise<{ config: object; shown: unknown[] }> {
  const shown: unknown[] = [];
  const server = await startServer((request, response) => {
    const token = request.headers["x-amz-security-token"];
    shown.push(token);
    if (token === "TOKEN2") response.writeHead(200, { etag: '"e"' }).end();
    else sendError(response, 400, "ExpiredToken");
  });
  open.push(server);
  return { shown, config: { region: "us-east-1", endpoint: server.endpoint, forcePathStyle: true } };
}

onBothPaths("credentials that the store refuses", () => {
  const refused = { kind: "credentials", providerCode: "ExpiredToken" };
  const identity = (n: number) => ({ accessKeyId: `AKID${n}`, secretAccessKey: "s", sessionToken: `TOKEN${n}` });

  test("are read from the shared file again, although they do not say when they expire", async () => {
    const folder = await emptyEnvironment();
    const write = (n: number) =>
      writeFile(
        join(folder, "credentials"),
        `[default]\naws_access_key_id=AKID${n}\naws_secret_access_key=s\naws_session_token=TOKEN${n}\n`,
      );
    const { config, shown } = await choosyStore();
    await write(1);
    const store = new S3ObjectStore({ ...config, dataPath: dataPath() });
    open.push(store);
    await expect(store.putObject(put)).rejects.toMatchObject(refused);
    await expect(store.putObject(put)).rejects.toMatchObject(refused);
    await write(2);
    await store.putObject(put);
    expect(shown).toEqual(["TOKEN1", "TOKEN1", "TOKEN2"]);
  });

  test("are asked of a provider again, once", async () => {
    const { config } = await choosyStore();
    let fetched = 0;
    const store = new S3ObjectStore({ ...config, dataPath: dataPath(), credentials: async () => identity(++fetched) });
    open.push(store);
    await expect(store.putObject(put)).rejects.toMatchObject(refused);
    await Promise.all([store.putObject(put), store.putObject(put), store.putObject(put)]);
    await store.putObject(put);
    expect(fetched).toBe(2);
  });

  test("are left to the maker of a client that was handed in", async () => {
    const { config } = await choosyStore();
    let fetched = 0;
    const client = new S3Client({ ...config, maxAttempts: 1, credentials: async () => identity(++fetched) });
    const store = new S3ObjectStore({ client });
    await expect(store.putObject(put)).rejects.toMatchObject(refused);
    await expect(store.putObject(put)).rejects.toMatchObject(refused);
    expect(fetched).toBe(1);
    client.destroy();
  });
});

onBothPaths("credentials that cannot be fetched", () => {
  const answerOf = (name: string, status: number) =>
    Object.assign(new Error("it says no"), { name, $metadata: { httpStatusCode: status, requestId: "R" } });
  const failures: [string, unknown][] = [
    ["400 of STS", answerOf("InvalidIdentityTokenException", 400)],
    ["403 of STS", answerOf("AccessDenied", 403)],
    ["404 of the metadata service", answerOf("NotFound", 404)],
    ["500", answerOf("InternalFailure", 500)],
    ["no connection", Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })],
    ["something else", "a string"],
  ];

  test.each(failures)("%s is no answer of the store", async (_, failure) => {
    const credentials = async () => {
      throw failure;
    };
    const config = { region: "us-east-1", endpoint: "http://127.0.0.1:1", maxAttempts: 1, credentials };
    const client = new S3Client(config);
    const stores = [
      new S3ObjectStore({ ...config, dataPath: dataPath() }),
      new S3ObjectStore({ client }),
      new S3ObjectStore({ client }),
    ];
    for (const store of stores) {
      const calls = [
        store.putObject(put),
        store.headObject(address),
        store.abortMultipart({ ...address, multipartId: "m" }),
        store.checkBucket({ bucket: "b" }),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({
          status: "rejected",
          reason: { kind: "credentials", code: "CREDENTIALS_UNAVAILABLE", ambiguous: false },
        });
        const { reason } = outcome as PromiseRejectedResult;
        expect(reason.status).toBeUndefined();
        expect(reason.requestId).toBeUndefined();
        expect(reason.message).toContain("the credentials could not be fetched");
      }
      await store.close();
    }
    client.destroy();
  });

  test("a client that was handed in throws what it threw before", async () => {
    const failure = answerOf("AccessDenied", 403);
    const credentials = async () => {
      throw failure;
    };
    const client = new S3Client({ region: "us-east-1", maxAttempts: 1, credentials });
    await new S3ObjectStore({ client }).close();
    await expect(client.config.credentials()).rejects.toBe(failure);
    client.destroy();
  });

  test("a token that STS refuses is no refusal of the file", async () => {
    const folder = await emptyEnvironment();
    await writeFile(join(folder, "token"), "jwt");
    const sts = await startServer((_, response) =>
      sendXml(
        response,
        400,
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>No</Message></Error></ErrorResponse>",
      ),
    );
    open.push(sts);
    vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", join(folder, "token"));
    vi.stubEnv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x");
    vi.stubEnv("AWS_ENDPOINT_URL_STS", sts.endpoint);
    const store = new S3ObjectStore({ region: "us-east-1", endpoint: "http://127.0.0.1:1", forcePathStyle: true });
    open.push(store);
    await expect(store.putObject(put)).rejects.toMatchObject({ kind: "credentials", ambiguous: false });
  });
});
