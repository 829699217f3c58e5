import { HISTORY_KINDS, STEP_OUTCOMES } from "@bucketline/core";
import { type Static, Type } from "typebox";
import { FileStateName, Nullable, OneOf, ReasonView, Time } from "./common.ts";

export const StepRunView = Type.Object(
  {
    step: Type.String({ description: "Name of the step." }),
    outcome: OneOf(STEP_OUTCOMES, {
      description:
        "`passed`, `rejected`: a check has judged · `transformed`: all bytes went through · `failed` · `unavailable`: it could not tell, and the file waits · `cancelled`: the attempt ended before the step did.",
    }),
    started_at: Time,
    ended_at: Time,
    duration_ms: Type.Number({ minimum: 0, description: "Milliseconds." }),
    bytes_in: Type.Integer({ description: "What a check has read, or a transform has been given." }),
    bytes_out: Type.Integer({ description: "What a transform has made of it; 0 of a check." }),
    message: Nullable(Type.String()),
  },
  { $id: "StepRun" },
);
export type StepRunView = Static<typeof StepRunView>;

export const FileView = Type.Object(
  {
    file_id: Type.String({ description: "Names the file in paths of this API: base 64 (URL) of its path." }),
    path: Type.String({ description: "Relative to the source folder." }),
    state: FileStateName,
    reason: Nullable(ReasonView),
    size: Type.Integer({ description: "Bytes." }),
    modified_at: Time,
    key: Type.String({ description: "Of the object; empty for files that have none." }),
    etag: Nullable(Type.String()),
    version_id: Nullable(Type.String()),
    checksum: Nullable(Type.String({ description: "`crc32:` and eight hexadecimal digits." })),
    uploaded_at: Nullable(Time),
    attempts: Type.Integer(),
    next_attempt_at: Nullable(Time),
    part_size: Nullable(Type.Integer({ description: "Of the multipart transfer in flight." })),
    steps: Type.Array(StepRunView, { description: "What the steps of its pipeline did, oldest first." }),
    created_at: Time,
    updated_at: Time,
  },
  { $id: "File" },
);
export type FileView = Static<typeof FileView>;

const Whats = OneOf(["discovered", "begun", "uploaded", "skipped", "removed", "step", "next", ...HISTORY_KINDS], {
  description:
    "`begun`: the transfer under way, or left behind · `retry`, `fail`: an attempt did not succeed · `rescue`: whoever sent it gave up or died · `changed`: it was another file than before · `disproved`: the bucket did not hold what was recorded · `requeue`: queued again after it failed · `next`: what is to come.",
});

export const TimelineEntryView = Type.Object(
  {
    at: Nullable(Type.String({ format: "date-time", description: "Null, of `next`: as soon as may be." })),
    what: Whats,
    attempt: Nullable(Type.Integer({ description: "Counted since the file was last queued afresh." })),
    reason: Nullable(ReasonView),
    parts: Nullable(Type.Integer({ description: "Finished parts of the transfer." })),
    bytes: Nullable(Type.Integer({ description: "Sent, of a transfer; of the object, when uploaded." })),
    key: Nullable(Type.String()),
    etag: Nullable(Type.String()),
    step: Type.Union([StepRunView, Type.Null()], { description: "Of `step`: a run of a step of its pipeline." }),
  },
  { $id: "TimelineEntry" },
);
export type TimelineEntryView = Static<typeof TimelineEntryView>;
