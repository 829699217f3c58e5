import type { Upload } from "@bucketline/core";
import { Type } from "typebox";
import type { App, HttpContext } from "../context.ts";
import { afterCursor, cursorFor } from "../cursor.ts";
import { changeMatched, etagOf } from "../etag.ts";
import { scopedKey } from "../idempotency.ts";
import { camel, renamed } from "../names.ts";
import { Registrar, refuseForeign, registerOptions } from "../registration.ts";
import { answers, ETAG, saying } from "../schemas/answers.ts";
import { listOf, Nullable, PageQuery, UploadParams, UploadStateName } from "../schemas/common.ts";
import { AdjustUpload, ChangeHeaders, CreatedUpload, CreateUpload, UploadView } from "../schemas/upload.ts";
import { uploadView } from "../views.ts";

const UploadList = Type.Object(
  { uploads: Type.Array(UploadView), next_cursor: Nullable(Type.String()) },
  { $id: "UploadList" },
);

const UploadQuery = Type.Object(
  { ...PageQuery, state: listOf(UploadStateName, "Only uploads in one of these states.") },
  { additionalProperties: false },
);

const CreateHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: "Any text of your own. The same request with the same key creates one upload, after a restart, too.",
    }),
  ),
});

const CREATED_HEADERS = { ...ETAG, Location: Type.String({ description: "Path of the upload." }) };
const CREATED = {
  200: saying("It was registered before, with the same settings.", CreatedUpload, CREATED_HEADERS),
  201: saying("It is registered, durably.", CreatedUpload, CREATED_HEADERS),
};

/** Registers uploads, lists, shows, changes and cancels them. */
export async function uploadRoutes(app: App, context: HttpContext): Promise<void> {
  createRoute(app, context);
  listRoute(app, context);
  showRoute(app, context);
  changeRoutes(app, context);
}

function createRoute(app: App, context: HttpContext): void {
  const registrar = new Registrar(context);
  app.post(
    "/uploads",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "createUpload",
        summary: "Register an upload",
        tags: ["uploads"],
        headers: CreateHeaders,
        body: CreateUpload,
        response: answers(CREATED, 409, 413, 415, 422, 502),
      },
    },
    async (request, reply) => {
      const { body, principal } = request;
      refuseForeign(context, body);
      const key = request.headers["idempotency-key"];
      const { upload, isNew } =
        key === undefined
          ? await registrar.register(registerOptions(body))
          : await registrar.registerUnder(scopedKey(principal, key), body);
      reply.header("location", locationOf(app, upload)).header("etag", etagOf(upload));
      const status = isNew ? ("created" as const) : ("exists" as const);
      return reply.code(isNew ? 201 : 200).send({ upload_id: upload.id, status });
    },
  );
}

function listRoute(app: App, { service }: HttpContext): void {
  app.get(
    "/uploads",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listUploads",
        summary: "List uploads, in order of registration",
        tags: ["uploads"],
        querystring: UploadQuery,
        response: answers({ 200: saying("A page of uploads.", UploadList) }),
      },
    },
    async ({ query }) => {
      const { limit = 100, cursor, state: states } = query;
      const list = ["uploads", states ?? null];
      const after = afterCursor(list, cursor);
      const page = await service.list({
        limit: limit + 1,
        ...(after === undefined ? {} : { after }),
        ...(states ? { states } : {}),
      });
      const uploads = page.slice(0, limit);
      const last = page.length > limit ? uploads.at(-1) : undefined;
      return { uploads: uploads.map(uploadView), next_cursor: last ? cursorFor(list, last.id) : null };
    },
  );
}

function showRoute(app: App, { service }: HttpContext): void {
  app.get(
    "/uploads/:upload_id",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getUpload",
        summary: "One upload, with its progress",
        tags: ["uploads"],
        params: UploadParams,
        response: answers({ 200: saying("The upload.", UploadView, ETAG) }, 404),
      },
    },
    async ({ params }, reply) => {
      const upload = await service.get(params.upload_id);
      return reply.header("etag", etagOf(upload)).send(uploadView(upload));
    },
  );
}

function changeRoutes(app: App, { service }: HttpContext): void {
  app.patch(
    "/uploads/:upload_id",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "adjustUpload",
        summary: "Change settings of an upload while it runs",
        tags: ["uploads"],
        params: UploadParams,
        headers: ChangeHeaders,
        body: AdjustUpload,
        response: answers({ 200: saying("The upload as it is now.", UploadView, ETAG) }, 404, 409, 412, 413, 415, 422),
      },
    },
    async ({ params: { upload_id }, headers, body }, reply) => {
      const settings = renamed(body, camel) as Parameters<typeof service.adjust>[1];
      const upload = await changeMatched(
        headers["if-match"],
        () => service.get(upload_id),
        (options) => service.adjust(upload_id, settings, options),
      );
      return reply.header("etag", etagOf(upload)).send(uploadView(upload));
    },
  );

  app.delete(
    "/uploads/:upload_id",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "cancelUpload",
        summary: "Cancel an upload for good; objects that are in the bucket stay",
        tags: ["uploads"],
        params: UploadParams,
        headers: ChangeHeaders,
        response: answers({ 200: saying("The upload, cancelled.", UploadView, ETAG) }, 404, 409, 412),
      },
    },
    async ({ params: { upload_id }, headers }, reply) => {
      const upload = await changeMatched(
        headers["if-match"],
        () => service.get(upload_id),
        (options) => service.cancel(upload_id, options),
      );
      return reply.header("etag", etagOf(upload)).send(uploadView(upload));
    },
  );
}

function locationOf(app: App, { id }: Upload): string {
  return `${app.prefix}/api/v1/uploads/${encodeURIComponent(id)}`;
}
