import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "@hey-api/openapi-ts";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Compile } from "typebox/compile";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Bed } from "./support/bed.ts";
import { Document } from "./support/document.ts";

const run = promisify(execFile);

describe("the OpenAPI document", () => {
  let bed: Bed;
  let document: Document;
  beforeAll(async () => {
    bed = await Bed.open();
    document = await Document.of(bed);
  });
  afterAll(() => bed.close());

  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document.json))).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  test("names every operation once, and says what each of its answers means", () => {
    const ids = document.routes.map(({ operation }) => operation.operationId);
    expect(ids).toEqual([...new Set(ids)]);
    for (const { operation } of document.routes) {
      expect(operation).toMatchObject({
        operationId: expect.stringMatching(/^[a-z][A-Za-z]+$/),
        tags: [expect.any(String)],
      });
      expect(operation.summary, operation.operationId).toBeTruthy();
      const answers = Object.values(operation.responses);
      expect(answers.map(({ description }) => description)).not.toContain("Default Response");
    }
  });

  test("documents each route once, below /api/v1 or at the root", () => {
    const paths = document.routes.map(({ path }) => path);
    expect(paths.filter((path) => path.endsWith("/") && path !== "/")).toEqual([]);
    expect(paths).toContain("/api/v1/uploads/{upload_id}/files/{file_id}/timeline");
    expect(paths).not.toContain("/uploads");
  });

  test("has every named schema as a component, and answers every refusal with a problem document", () => {
    const { schemas } = document.json.components as { schemas: Record<string, unknown> };
    expect(Object.keys(schemas)).toEqual(
      expect.arrayContaining(["AdjustUpload", "CreateUpload", "File", "Plan", "Problem", "TimelineEntry", "Upload"]),
    );
    expect(JSON.stringify(document.json)).not.toMatch(/\$id|x-named|x-optional-body|x-response-description/);
    for (const { path, operation } of document.routes.filter((route) => route.path.startsWith("/api/"))) {
      const refusals = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400);
      for (const [status, { content }] of refusals)
        expect(Object.keys(content ?? {}), `${path} ${status}`).toEqual(["application/problem+json"]);
    }
  });

  test("gives examples that are what their schemas say", () => {
    const { schemas } = document.json.components as { schemas: Record<string, { examples?: unknown[] }> };
    const withExamples = Object.entries(schemas).filter(([, schema]) => schema.examples);
    expect(withExamples.map(([name]) => name)).toContain("CreateUpload");
    for (const [name] of withExamples) {
      const media = document.routes
        .map(({ operation }) => operation.requestBody?.content["application/json"]?.schema)
        .find(
          (schema) =>
            JSON.stringify((schema as { examples?: unknown })?.examples) === JSON.stringify(schemas[name]?.examples),
        );
      for (const example of schemas[name]?.examples ?? [])
        expect(Compile(media as never).Check(example), name).toBe(true);
    }
  });

  test("asks for a credential only where one is asked for", async () => {
    expect(document.json).not.toHaveProperty("security");
    const token = "a-token-for-a-test";
    const sha256 = (await import("node:crypto")).createHash("sha256").update(token).digest("hex");
    const guarded = await Bed.open({ server: { auth: { tokens: [{ name: "t", sha256, scopes: ["read"] }] } } });
    try {
      const said = await Document.of(guarded, token);
      expect(said.json).toMatchObject({
        security: [{ bearer: [] }, { session: [] }],
        components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
      });
      expect(said.route("createUpload").operation.description).toContain("scope `admin`");
      expect(said.route("listUploads").operation.description).toContain("scope `read`");
      expect(await new Validator().validate(structuredClone(said.json))).toEqual({ valid: true });
    } finally {
      await guarded.close();
    }
  });
});

/** Uses the generated client as a program of somebody else would. */
const PROGRAM = `
import { client } from "./client/client.gen.ts";
import { adjustUpload, cancelUpload, checkUpload, createUpload, getFileTimeline, getUpload, listFiles, listUploads } from "./client/sdk.gen.ts";

const [url = "", folder = "", bucket = ""] = process.argv.slice(2);
client.setConfig({ baseUrl: url });
const created = await createUpload({ body: { upload_id: "by-client", source_folder: folder, destination_bucket: bucket, mode: "watch" } });
const id: string = created.data?.upload_id ?? "";
const scanned = await checkUpload({ path: { upload_id: id }, body: { wait: true } });
let upload = (await getUpload({ path: { upload_id: id } })).data;
while (upload && upload.state !== "COMPLETED") {
  await new Promise((resolve) => setTimeout(resolve, 20));
  upload = (await getUpload({ path: { upload_id: id } })).data;
}
const files = await listFiles({ path: { upload_id: id }, query: { state: ["UPLOADED", "FAILED"], limit: 10 } });
const file_id = files.data?.files[0]?.file_id ?? "";
const timeline = await getFileTimeline({ path: { upload_id: id, file_id } });
const adjusted = await adjustUpload({ path: { upload_id: id }, body: { priority: 3 }, headers: { "If-Match": '"0"' } });
const list = await listUploads();
const missing = await getUpload({ path: { upload_id: "nobody" } });
const cancelled = await cancelUpload({ path: { upload_id: id } });
// The types know the fields, and only those.
// @ts-expect-error
const wrong = createUpload({ body: { source_folder: folder, destination_bucket: bucket, mode: "sometimes" } });
await wrong;
console.log(JSON.stringify({
  created: created.data,
  complete: scanned.data !== undefined && "scan" in scanned.data ? scanned.data.scan?.complete : null,
  files: files.data?.files.map(({ path, state }) => ({ path, state })),
  timeline: timeline.data?.entries.map(({ what }) => what),
  adjusted: adjusted.error?.code,
  uploads: list.data?.uploads.map(({ upload_id }) => upload_id),
  missing: missing.error?.code,
  cancelled: cancelled.data?.status,
}));
`;

const TSCONFIG = {
  compilerOptions: {
    target: "ES2023",
    lib: ["ES2023", "DOM", "DOM.Iterable"],
    module: "NodeNext",
    moduleResolution: "NodeNext",
    types: ["node"],
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    allowImportingTsExtensions: true,
  },
  files: ["program.ts"],
};

test("a client generated from the document by another tool type-checks, and works against the server", async () => {
  const modules = fileURLToPath(new URL("../../../node_modules", import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), "bucketline-client-"));
  const bed = await Bed.open();
  try {
    await bed.write("photos/a.txt");
    const { json } = await Document.of(bed);
    const input = join(folder, "openapi.json");
    await writeFile(input, JSON.stringify(json));
    await createClient({
      input,
      output: { path: join(folder, "client"), importFileExtension: ".ts", postProcess: [] },
      plugins: ["@hey-api/typescript", "@hey-api/sdk", "@hey-api/client-fetch"],
      logs: { level: "silent" },
    });
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
    await writeFile(join(folder, "program.ts"), PROGRAM);
    await mkdir(join(folder, "node_modules"));
    await symlink(join(modules, "@types"), join(folder, "node_modules/@types"));
    const tsc = join(modules, "typescript/bin/tsc");
    const checked = await run(process.execPath, [tsc, "-p", folder]).catch((error: { stdout: string }) => error);
    expect(checked.stdout).toBe("");
    const args = ["--disable-warning=ExperimentalWarning", join(folder, "program.ts")];
    const { stdout } = await run(process.execPath, [...args, bed.url, join(bed.root, "photos"), "bucket"]);
    expect(JSON.parse(stdout)).toEqual({
      created: { upload_id: "by-client", status: "created" },
      complete: true,
      files: [{ path: "a.txt", state: "UPLOADED" }],
      timeline: ["discovered", "uploaded"],
      adjusted: "PRECONDITION_FAILED",
      uploads: ["by-client"],
      missing: "UPLOAD_NOT_FOUND",
      cancelled: "cancelled",
    });
  } finally {
    await bed.close();
    await rm(folder, { recursive: true, force: true });
  }
});
