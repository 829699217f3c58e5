import type { Static } from "typebox";
import type { FileView, StepRunView, TimelineEntryView } from "../../../src/schemas/file.ts";
import type { ReadinessView } from "../../../src/schemas/health.ts";
import type { NoticeView, WebhookTestView, WebhookView } from "../../../src/schemas/notice.ts";
import type { PlanView } from "../../../src/schemas/steering.ts";
import type { CreatedUpload, UploadView } from "../../../src/schemas/upload.ts";

export type Upload = UploadView;
export type UploadState = Upload["state"];
export type File = FileView;
export type FileState = File["state"];
export type Reason = NonNullable<File["reason"]>;
export type Watch = Upload["watch"];
export type TimelineEntry = Static<typeof TimelineEntryView>;
export type StepRun = StepRunView;
/** One of the service's, as uploads may name it. */
export interface Pipeline {
  readonly name: string;
  readonly steps: readonly {
    readonly name: string;
    readonly kind: "check" | "transform";
    readonly version: string | null;
  }[];
}
export type Created = Static<typeof CreatedUpload>;

export type Plan = Static<typeof PlanView>;
export type Readiness = Static<typeof ReadinessView>;

export type Webhook = WebhookView;
export type WebhookTest = WebhookTestView;
export type Notice = NoticeView;

/** What the service may send, over all uploads. Null: no limit. */
export interface Limits {
  /** Bytes per second. */
  readonly bandwidth_limit: number | null;
  readonly active_hours: string | null;
}
