import { FILE_STATES, UPLOAD_STATES } from "@bucketline/core";
import { type TSchema, type TSchemaOptions, Type } from "typebox";

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const OneOf = <T extends string[]>(values: readonly [...T], options: TSchemaOptions = {}) =>
  Type.Enum<T>(values, { type: "string", ...options });

/** RFC 3339, UTC. */
export const Time = Type.String({ format: "date-time" });

export const UploadId = Type.String({
  pattern: "^(?!\\.{1,2}$)[A-Za-z0-9._-]{1,128}$",
  description: "Id of the upload.",
});

export const UploadStateName = OneOf(UPLOAD_STATES, { $id: "UploadState" });
export const FileStateName = OneOf(FILE_STATES, { $id: "FileState" });

export const ReasonView = Type.Object(
  {
    code: Type.String({ description: "Stable code; see the table of errors." }),
    message: Type.String({ description: "What happened, to what, and what to do." }),
  },
  { $id: "Reason" },
);

export const ProblemView = Type.Object(
  {
    type: Type.String(),
    title: Type.String({ description: "What to do about it." }),
    status: Type.Integer(),
    detail: Type.String({ description: "What happened, to what." }),
    code: Type.String({ description: "Stable code." }),
    instance: Type.String({ description: "Id of the request, as in the log." }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          field: Type.String({ description: "Such as `body.pattern` or `query.limit`." }),
          message: Type.String(),
        }),
        { description: "What is wrong, field by field." },
      ),
    ),
  },
  { $id: "Problem", description: "Problem document (RFC 9457)." },
);

export const PageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: "At most so many." })),
  cursor: Type.Optional(Type.String({ maxLength: 8192, description: "`next_cursor` of the page before." })),
};

/** One list of them, given as `a,b` or by repeating the parameter. */
export const listOf = <T extends TSchema>(item: T, description: string) =>
  Type.Optional(Type.Array(item, { minItems: 1, maxItems: 20, description }));

export const UploadParams = Type.Object({ upload_id: UploadId });
export const FileParams = Type.Object({
  upload_id: UploadId,
  file_id: Type.String({ minLength: 1, maxLength: 16_384, description: "Id of the file." }),
});
