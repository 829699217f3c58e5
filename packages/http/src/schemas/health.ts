import { Type } from "typebox";
import { Nullable, ReasonView, Time } from "./common.ts";

const PartView = {
  ok: Type.Boolean(),
  reason: Nullable(ReasonView),
};

export const HealthView = Type.Object({ status: Type.Literal("ok") }, { $id: "Health" });

export const ReadinessView = Type.Object(
  {
    status: Type.Union([Type.Literal("ok"), Type.Literal("unavailable")]),
    details: Type.Optional(
      Type.Object(
        {
          started: Type.Boolean(),
          stopping: Type.Boolean(),
          owner: Type.String({ description: "What the service is called in the ledger." }),
          host: Type.String(),
          store: Type.Object(PartView, { description: "Whether the ledger can be read." }),
          buckets: Type.Array(Type.Object({ bucket: Type.String(), ...PartView }), {
            description: "Of uploads that are not over, at most 20.",
          }),
          lease: Type.Object({
            valid: Type.Boolean(),
            age_seconds: Nullable(Type.Number({ description: "Since the ledger last accepted a sign of life." })),
          }),
          monitor: Type.Object({
            alive: Type.Boolean(),
            watched: Type.Integer({ description: "Uploads whose folders are scanned." }),
            scanning: Type.Integer({ description: "Scans under way." }),
            last_scan_at: Nullable(Time),
          }),
          in_flight: Type.Integer({ description: "Files." }),
          concurrency: Type.Object({ current: Type.Integer(), limit: Type.Integer() }),
        },
        { description: "For callers who may read." },
      ),
    ),
  },
  { $id: "Readiness" },
);
