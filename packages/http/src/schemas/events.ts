import type { EventName } from "@bucketline/core";
import { type TProperties, type TSchema, Type } from "typebox";
import { FileStateName, Nullable, ReasonView, Time, UploadStateName } from "./common.ts";
import { AdjustableSettings, ScanView } from "./upload.ts";

const Count = Type.Integer({ minimum: 0 });
const At = { at: Type.String({ format: "date-time", description: "When the service told it." }) };
const OfUpload = { ...At, upload_id: Type.String() };

const UploadFields = { ...OfUpload, state: UploadStateName, reason: Nullable(ReasonView) };
const FileFields = {
  ...OfUpload,
  file_id: Type.String(),
  path: Type.String(),
  key: Type.String(),
  state: FileStateName,
  size: Count,
  attempts: Count,
};

const data = (fields: TProperties) => Type.Object(fields);
const UploadData = data(UploadFields);
const FileData = data(FileFields);
const ReasonData = data({ ...FileFields, reason: ReasonView });
const UploadOnly = data(OfUpload);
const MovedData = data({
  ...OfUpload,
  file_id: FileFields.file_id,
  path: Type.String(),
  from: Type.String(),
  to: Nullable(Type.String()),
});

/** What stands in `data` of each event. Fields are added, never renamed. */
export const EVENT_DATA: Readonly<Record<EventName, TSchema & { readonly properties: TProperties }>> = {
  "upload:registered": UploadData,
  "upload:started": UploadData,
  "upload:scanning": UploadOnly,
  "upload:scanned": data({ ...OfUpload, scan: ScanView }),
  "upload:progress": data({
    ...OfUpload,
    state: UploadStateName,
    progress: Type.Number({ minimum: 0, maximum: 1 }),
    total_files: Count,
    completed_files: Count,
    failed_files: Count,
    skipped_files: Count,
    pending_files: Count,
    total_bytes: Count,
    completed_bytes: Count,
    rate: Count,
    eta_seconds: Nullable(Count),
  }),
  "upload:completed": UploadData,
  "upload:failed": UploadData,
  "upload:reopened": UploadData,
  "upload:paused": UploadData,
  "upload:resumed": UploadData,
  "upload:cancelled": UploadData,
  "upload:adjusted": data({ ...UploadFields, ...AdjustableSettings }),
  "upload:waiting": data({ ...OfUpload, cause: Type.String(), until: Nullable(Time) }),
  "upload:changed": UploadData,
  "upload:verified": data({
    ...OfUpload,
    checked_files: Count,
    missing: Count,
    different: Count,
    extra: Nullable(Count),
    requeued: Count,
  }),
  "file:queued": FileData,
  "file:started": FileData,
  "file:progress": data({
    ...FileFields,
    bytes: Count,
    sent_bytes: Count,
    part_number: Type.Optional(Count),
    part_size: Type.Optional(Count),
    part_ms: Type.Optional(Type.Number({ minimum: 0 })),
  }),
  "file:uploaded": data({ ...FileFields, etag: Type.String(), checksum: Type.String() }),
  "file:retrying": data({ ...FileFields, reason: ReasonView, next_attempt_at: Time }),
  "file:failed": ReasonData,
  "file:skipped": ReasonData,
  "file:unstable": ReasonData,
  "file:changed": FileData,
  "file:removed": FileData,
  "file:deleted": FileData,
  "file:claimed": MovedData,
  "file:disposed": MovedData,
  "step:started": data({ ...FileFields, step: Type.String() }),
  "step:finished": data({
    ...FileFields,
    step: Type.String(),
    started_at: Time,
    ended_at: Time,
    outcome: Type.String(),
    bytes_in: Count,
    bytes_out: Count,
    message: Nullable(Type.String()),
  }),
  "monitor:check": UploadOnly,
  "monitor:live": UploadOnly,
  "monitor:degraded": data({ ...OfUpload, reason: ReasonView }),
  "monitor:requeued": data({ ...OfUpload, files: Count }),
  "recovery:finished": data({ ...At, files: Count, uploads: Count, cleaned: Count }),
  warning: data({ ...At, code: Type.String(), message: Type.String(), upload_id: Type.Optional(Type.String()) }),
};

export const EVENT_NAMES = Object.keys(EVENT_DATA) as readonly EventName[];

/** The events and the fields of their data, as a table in Markdown. */
export function describeEvents(): string {
  const rows = Object.entries(EVENT_DATA).map(
    ([name, { properties }]) => `| \`${name}\` | ${fieldsText(properties)} |`,
  );
  return ["| event | data |", "|---|---|", ...rows].join("\n");
}

function fieldsText(properties: TProperties): string {
  return Object.entries(properties)
    .map(([name, schema]) => `\`${name}\`${Type.IsOptional(schema) ? "?" : ""}: ${typeText(schema)}`)
    .join(", ");
}

function typeText(schema: TSchema): string {
  if ("$id" in schema) return String(schema.$id);
  if ("anyOf" in schema && Array.isArray(schema.anyOf)) return schema.anyOf.map(typeText).join(" or ");
  if ("format" in schema) return String(schema.format);
  return "type" in schema ? String(schema.type) : "any";
}
