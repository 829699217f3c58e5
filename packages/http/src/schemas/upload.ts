import { type Static, Type } from "typebox";
import { Nullable, OneOf, ReasonView, Time, UploadId, UploadStateName } from "./common.ts";

const Globs = Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 1000 })]);
const Bytes = Type.Integer({ minimum: 0, description: "Bytes." });
const Milliseconds = Type.Integer({ minimum: 0, description: "Milliseconds." });

const Mode = OneOf(["watch", "once"]);
const Symlinks = OneOf(["skip", "follow"]);
const Overwrite = OneOf(["always", "never"]);
const Compare = OneOf(["stat", "hash"]);
const OnSourceDelete = OneOf(["keep", "delete"]);
const AfterUpload = Type.Union(
  [
    OneOf(["keep", "delete"]),
    Type.Object({ move_to: Type.String({ minLength: 1, maxLength: 4096 }) }, { additionalProperties: false }),
  ],
  {
    description:
      "The source file, once the bucket holds it. `move_to`: an absolute path inside one of the allowed roots.",
  },
);
const ObjectSettings = Type.Object(
  {
    content_type: Type.Optional(Type.String()),
    cache_control: Type.Optional(Type.String()),
    content_disposition: Type.Optional(Type.String()),
    content_encoding: Type.Optional(Type.String()),
    content_language: Type.Optional(Type.String()),
    storage_class: Type.Optional(Type.String()),
    server_side_encryption: Type.Optional(Type.String()),
    kms_key_id: Type.Optional(Type.String()),
    acl: Type.Optional(Type.String()),
    expected_bucket_owner: Type.Optional(Type.String()),
    tags: Type.Optional(Type.Record(Type.String(), Type.String())),
    metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  { $id: "ObjectSettings", additionalProperties: false },
);

/** Settings that may be changed while the upload runs; null stands for the default. */
export const AdjustableSettings = {
  priority: Type.Optional(Type.Integer({ description: "Higher goes first. Default 0." })),
  schedule: Type.Optional(
    Nullable(
      Type.Union([Type.Integer({ minimum: 1 }), Type.String()], {
        description: "Milliseconds between two scans, a cron expression (local time), or `manual`.",
      }),
    ),
  ),
  active_hours: Type.Optional(
    Nullable(Type.String({ description: "Local hours in which files are sent: `22:00-06:00`." })),
  ),
  bandwidth_limit: Type.Optional(Nullable(Type.Integer({ minimum: 1, description: "Bytes per second." }))),
};

export const CreateUpload = Type.Object(
  {
    upload_id: Type.Optional(UploadId),
    source_folder: Type.String({ minLength: 1, maxLength: 4096, description: "Inside one of the allowed roots." }),
    destination_bucket: Type.String({ minLength: 1, maxLength: 2048 }),
    pattern: Type.Optional(Globs),
    exclude: Type.Optional(Globs),
    dot: Type.Optional(Type.Boolean({ description: "Whether patterns match names that start with a dot." })),
    key_template: Type.Optional(Type.String({ description: "Default `{id}/{path}`." })),
    mode: Type.Optional(Mode),
    symlinks: Type.Optional(Symlinks),
    overwrite: Type.Optional(Overwrite),
    min_size: Type.Optional(Bytes),
    max_size: Type.Optional(Bytes),
    min_age: Type.Optional(Milliseconds),
    max_age: Type.Optional(Milliseconds),
    compare: Type.Optional(Compare),
    on_source_delete: Type.Optional(OnSourceDelete),
    pipeline: Type.Optional(
      Nullable(Type.String({ minLength: 1, maxLength: 64, description: "Name of one of the service's pipelines." })),
    ),
    after_upload: Type.Optional(AfterUpload),
    drop: Type.Optional(
      Nullable(Type.Object({ retention: Type.Optional(Nullable(Milliseconds)) }, { additionalProperties: false })),
    ),
    delete_limit: Type.Optional(
      Type.Object(
        {
          files: Type.Optional(Type.Integer({ minimum: 0 })),
          share: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
        },
        { additionalProperties: false },
      ),
    ),
    root_marker: Type.Optional(Type.String({ minLength: 1 })),
    max_unstable_age: Type.Optional(Milliseconds),
    host: Type.Optional(Type.String({ minLength: 1 })),
    object: Type.Optional(ObjectSettings),
    ...AdjustableSettings,
  },
  {
    $id: "CreateUpload",
    additionalProperties: false,
    examples: [{ source_folder: "/srv/photos", destination_bucket: "my-bucket", pattern: "**/*.jpg" }],
  },
);
export type CreateUpload = Static<typeof CreateUpload>;

export const AdjustUpload = Type.Object(AdjustableSettings, {
  $id: "AdjustUpload",
  additionalProperties: false,
  minProperties: 1,
  examples: [{ priority: 5, bandwidth_limit: 1_000_000 }],
});
export type AdjustUpload = Static<typeof AdjustUpload>;

export const ChangeHeaders = Type.Object({
  "if-match": Type.Optional(
    Type.String({ maxLength: 1024, description: "ETag of the upload as it was read; 412 when it has changed since." }),
  ),
});

export const CreatedUpload = Type.Object(
  {
    upload_id: Type.String(),
    status: OneOf(["created", "exists"], {
      description: "`exists`: the same upload had been registered before, and nothing was changed.",
    }),
  },
  { $id: "CreatedUpload" },
);

export const ScanView = Type.Object(
  {
    started_at: Time,
    finished_at: Time,
    seen: Type.Integer(),
    added: Type.Integer(),
    changed: Type.Integer(),
    removed: Type.Integer(),
    skipped: Type.Integer(),
    unstable: Type.Integer({ description: "Files that are changing and wait until they are quiet." }),
    complete: Type.Boolean({ description: "False when a folder could not be read." }),
    doubt: Nullable(ReasonView),
  },
  { $id: "Scan" },
);
export type ScanView = Static<typeof ScanView>;

const WatchView = Type.Object(
  {
    state: OneOf(["polling", "starting", "live", "degraded"]),
    reason: Nullable(ReasonView),
  },
  { $id: "Watch" },
);

const Count = Type.Integer({ minimum: 0 });

/** What an upload is, with every default filled in; null: no limit, or the service's own. */
export const SettingsView = Type.Object(
  {
    pattern: Type.Array(Type.String()),
    exclude: Type.Array(Type.String()),
    dot: Type.Boolean(),
    key_template: Type.String(),
    mode: Mode,
    symlinks: Symlinks,
    overwrite: Overwrite,
    min_size: Nullable(Count),
    max_size: Nullable(Count),
    min_age: Nullable(Count),
    max_age: Nullable(Count),
    priority: Type.Integer(),
    compare: Compare,
    on_source_delete: OnSourceDelete,
    pipeline: Nullable(Type.String()),
    key_suffix: Type.String({ description: "What the pipeline appends to every key; empty for nothing." }),
    after_upload: AfterUpload,
    drop: Nullable(Type.Object({ retention: Nullable(Count) })),
    delete_limit: Type.Object({ files: Count, share: Type.Number() }),
    root_marker: Nullable(Type.String()),
    schedule: Nullable(Type.Union([Type.Integer(), Type.String()])),
    max_unstable_age: Nullable(Count),
    active_hours: Nullable(Type.String()),
    bandwidth_limit: Nullable(Count),
    host: Nullable(Type.String()),
    object: ObjectSettings,
  },
  { $id: "Settings" },
);
export type SettingsView = Static<typeof SettingsView>;

export const UploadView = Type.Object(
  {
    upload_id: Type.String(),
    state: UploadStateName,
    status: OneOf(["pending", "active", "cancelled"]),
    reason: Nullable(ReasonView),
    progress: Type.Number({ minimum: 0, maximum: 1 }),
    total_files: Type.Integer(),
    completed_files: Type.Integer(),
    failed_files: Type.Integer(),
    skipped_files: Type.Integer(),
    pending_files: Type.Integer(),
    total_bytes: Type.Integer(),
    completed_bytes: Type.Integer(),
    rate: Type.Integer({ description: "Bytes per second, of this host." }),
    eta_seconds: Nullable(Type.Integer()),
    source_folder: Type.String(),
    destination_bucket: Type.String(),
    settings: SettingsView,
    last_scan: Nullable(ScanView),
    watch: WatchView,
    created_at: Time,
    updated_at: Time,
    finished_at: Nullable(Time),
  },
  { $id: "Upload" },
);
export type UploadView = Static<typeof UploadView>;
