import { timelineOf, UploadError } from "@bucketline/core";
import { Type } from "typebox";
import type { App, HttpContext } from "../context.ts";
import { afterCursor, cursorFor } from "../cursor.ts";
import { HttpError } from "../errors.ts";
import { answers, saying } from "../schemas/answers.ts";
import { FileParams, FileStateName, listOf, Nullable, PageQuery, UploadParams } from "../schemas/common.ts";
import { FileView, TimelineEntryView } from "../schemas/file.ts";
import { fileView, pathOfFileId, timelineView } from "../views.ts";

const FileList = Type.Object(
  {
    files: Type.Array(FileView),
    next_cursor: Nullable(
      Type.String({ description: "There may be more, even when this page of a search is short or empty." }),
    ),
  },
  { $id: "FileList" },
);

const FileQuery = Type.Object(
  {
    ...PageQuery,
    state: listOf(FileStateName, "Only files in one of these states."),
    search: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: "Only files whose path contains this; ASCII case is ignored.",
      }),
    ),
  },
  { additionalProperties: false },
);

const Timeline = Type.Object({ entries: Type.Array(TimelineEntryView) }, { $id: "Timeline" });

/** Lists the files of an upload, and shows one of them with what befell it. */
export async function fileRoutes(app: App, { service }: HttpContext): Promise<void> {
  const details = async (uploadId: string, fileId: string) => {
    const path = pathOfFileId(fileId);
    if (path === undefined)
      throw new UploadError("FILE_NOT_FOUND", `No file of upload ${uploadId} has the id that was asked for.`);
    return await service.file(uploadId, path);
  };
  const show = async (uploadId: string, fileId: string) => fileView((await details(uploadId, fileId)).file);
  const tell = async (uploadId: string, fileId: string) => {
    const { file, parts } = await details(uploadId, fileId);
    return { entries: timelineOf(file, parts).map(timelineView) };
  };

  app.get(
    "/uploads/:upload_id/files",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listFiles",
        summary: "Files of an upload, in the order of their paths",
        tags: ["files"],
        params: UploadParams,
        querystring: FileQuery,
        response: answers({ 200: saying("A page of files.", FileList) }, 404),
      },
    },
    async ({ params: { upload_id }, query }) => {
      const { limit = 100, cursor, state: states, search: contains } = query;
      const list = ["files", upload_id, states ?? null, contains ?? null];
      const after = afterCursor(list, cursor);
      const { files, next } = await service.findFiles(upload_id, {
        limit,
        ...(contains === undefined ? {} : { contains }),
        ...(after === undefined ? {} : { after }),
        ...(states ? { states } : {}),
      });
      return { files: files.map(fileView), next_cursor: next === null ? null : cursorFor(list, next) };
    },
  );

  app.get(
    "/uploads/:upload_id/files/:file_id",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getFile",
        summary: "One file",
        tags: ["files"],
        params: FileParams,
        response: answers({ 200: saying("The file.", FileView) }, 404),
      },
    },
    ({ params }) => show(params.upload_id, params.file_id),
  );

  app.get(
    "/uploads/:upload_id/files/:file_id/timeline",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getFileTimeline",
        summary: "What is known of a file's life, oldest first",
        tags: ["files"],
        params: FileParams,
        response: answers({ 200: saying("What is known of it.", Timeline) }, 404),
      },
    },
    ({ params }) => tell(params.upload_id, params.file_id),
  );

  // Ids of files with long paths do not fit Fastify's default of maxParamLength, which is the host's to set; a wildcard
  // has no such bound, and is asked only when the routes above do not match.
  app.get(
    "/uploads/:upload_id/files/*",
    {
      config: { scope: "read" },
      schema: { hide: true, params: Type.Object({ upload_id: Type.String(), "*": Type.String() }) },
    },
    async ({ params }) => {
      const [fileId = "", ...rest] = params["*"].replace(/\/$/, "").split("/");
      if (rest.length === 0) return await show(params.upload_id, fileId);
      if (rest.length === 1 && rest[0] === "timeline") return await tell(params.upload_id, fileId);
      throw new HttpError("ROUTE_NOT_FOUND", "There is nothing below a file but its timeline.");
    },
  );
}
