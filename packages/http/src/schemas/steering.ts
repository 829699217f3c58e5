import { type Static, Type } from "typebox";
import { Nullable, OneOf, ReasonView, Time } from "./common.ts";
import { ScanView } from "./upload.ts";

const Limit = Type.Integer({
  minimum: 0,
  maximum: 1000,
  default: 100,
  description: "At most so many items; totals are of all.",
});
const TrustFolder = Type.Boolean({
  description: "The folder is as it should be, although it is empty or on another device: what is not in it is gone.",
});
const AllowDeletes = Type.Boolean({ description: "Lifts `delete_limit` for this once." });
const AskBucket = Type.Boolean({
  description: "Asks the bucket whether there are objects already, with one request for each file that would be sent.",
});

const PLAN_ACTIONS = [
  "upload",
  "replace",
  "compare",
  "unchanged",
  "skip",
  "delete",
  "remove",
  "settle",
  "failed",
  "unreadable",
] as const;

export const CheckUpload = Type.Object(
  {
    wait: Type.Optional(Type.Boolean({ description: "Answer when the scan is over, and with how it went." })),
    trust_folder: Type.Optional(TrustFolder),
    allow_deletes: Type.Optional(AllowDeletes),
  },
  { $id: "CheckUpload", additionalProperties: false },
);

export const CheckedUpload = Type.Object(
  {
    upload_id: Type.String(),
    scan: Nullable(ScanView),
  },
  {
    $id: "CheckedUpload",
    description: "`scan`: null when the folder could not be read; the upload's reason says why.",
  },
);

export const StartedCheck = Type.Object(
  { upload_id: Type.String(), status: OneOf(["started"]) },
  { $id: "StartedCheck" },
);

export const RetriedUpload = Type.Object(
  { upload_id: Type.String(), files: Type.Integer({ minimum: 0, description: "Files that were queued again." }) },
  { $id: "RetriedUpload" },
);

export const PlanRequest = Type.Object(
  {
    limit: Type.Optional(Limit),
    ask_bucket: Type.Optional(AskBucket),
    trust_folder: Type.Optional(TrustFolder),
    allow_deletes: Type.Optional(AllowDeletes),
  },
  { $id: "PlanRequest", additionalProperties: false },
);
export type PlanRequest = Static<typeof PlanRequest>;

export const PlanQuery = Type.Object(
  { limit: Type.Optional(Limit), ask_bucket: Type.Optional(AskBucket) },
  { additionalProperties: false },
);

export const PlanItemView = Type.Object(
  {
    action: OneOf(PLAN_ACTIONS),
    cause: Type.String({ description: "Why, in a word; see `reason` for more." }),
    path: Type.String({ description: "Relative to the source folder; with a slash at its end, a folder." }),
    key: Nullable(Type.String({ description: "Of the object that is meant." })),
    size: Type.Integer({ minimum: 0, description: "Bytes." }),
    reason: Nullable(ReasonView),
    not_before: Nullable(Time),
  },
  { $id: "PlanItem" },
);
export type PlanItemView = Static<typeof PlanItemView>;

const PlanCount = Type.Object(
  { files: Type.Integer({ minimum: 0 }), bytes: Type.Integer({ minimum: 0 }) },
  { $id: "PlanCount" },
);

export const PlanTotalsView = Type.Object(
  {
    actions: Type.Object({
      upload: PlanCount,
      replace: PlanCount,
      compare: PlanCount,
      unchanged: PlanCount,
      skip: PlanCount,
      delete: PlanCount,
      remove: PlanCount,
      settle: PlanCount,
      failed: PlanCount,
      unreadable: PlanCount,
    }),
    complete: Type.Boolean({ description: "False when a file or folder could not be read." }),
    doubt: Nullable(ReasonView),
    deletes_held: Nullable(ReasonView),
  },
  { $id: "PlanTotals" },
);
export type PlanTotalsView = Static<typeof PlanTotalsView>;

export const PlanView = Type.Object(
  {
    upload_id: Type.String(),
    items: Type.Array(PlanItemView),
    truncated: Type.Boolean({ description: "There are more items than `limit`." }),
    totals: PlanTotalsView,
  },
  { $id: "Plan", description: "What a scan would do now. Nothing has been changed." },
);

export const VerifyUpload = Type.Object(
  {
    repair: Type.Optional(Type.Boolean({ description: "Queue missing and different files again." })),
    deep: Type.Optional(Type.Boolean({ description: "Ask for every object by itself, and compare its CRC32." })),
    limit: Type.Optional(Limit),
  },
  { $id: "VerifyUpload", additionalProperties: false },
);

const ObjectFacts = Type.Object(
  { size: Type.Integer(), etag: Type.String(), checksum: Nullable(Type.String()) },
  { $id: "ObjectFacts" },
);

export const FindingView = Type.Object(
  {
    kind: OneOf(["missing", "different", "extra"]),
    path: Nullable(Type.String()),
    key: Type.String(),
    expected: Nullable(ObjectFacts),
    found: Nullable(ObjectFacts),
  },
  { $id: "Finding" },
);
export type FindingView = Static<typeof FindingView>;

export const VerificationView = Type.Object(
  {
    upload_id: Type.String(),
    checked_files: Type.Integer(),
    missing: Type.Integer(),
    different: Type.Integer(),
    extra: Nullable(Type.Integer({ description: "Null when they cannot be told from other people's objects." })),
    requeued: Type.Integer({ description: "Files that were queued again." }),
    findings: Type.Array(FindingView),
    truncated: Type.Boolean({ description: "There are more findings than `limit`." }),
  },
  { $id: "Verification" },
);
