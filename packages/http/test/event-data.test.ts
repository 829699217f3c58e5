import type { EventName, EventPayload, Progress, Reason } from "@bucketline/core";
import { Compile } from "typebox/compile";
import { expect, test } from "vitest";
import { eventData } from "../src/live/event-data.ts";
import { describeEvents, EVENT_DATA, EVENT_NAMES } from "../src/schemas/events.ts";

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const reason: Reason = { code: "ACCESS_DENIED", message: "No." };
const upload = { uploadId: "u", state: "IN_PROGRESS", reason: null } as const;
const file = { uploadId: "u", path: "a/é.txt", key: "u/a/é.txt", state: "PENDING", size: 5, attempts: 1 } as const;
const progress: Progress = {
  uploadId: "u",
  state: "IN_PROGRESS",
  filesTotal: 9,
  filesUploaded: 3,
  filesFailed: 2,
  filesSkipped: 1,
  filesPending: 4,
  bytesTotal: 90,
  bytesUploaded: 30,
  fraction: 1 / 3,
  rate: 7,
  etaSeconds: null,
};
const scan = {
  startedAt: AT,
  finishedAt: AT + 1,
  seen: 1,
  added: 1,
  changed: 0,
  removed: 0,
  skipped: 0,
  complete: true,
  unstable: 0,
  device: "64768",
  doubt: reason,
};

const trace = {
  ...{ step: "gzip", startedAt: AT, endedAt: AT, bytesIn: 5, bytesOut: 3, message: null },
  outcome: "transformed",
} as const;

/** The compiler holds this against the core's events. */
const PAYLOADS: { readonly [Name in EventName]: EventPayload<Name> } = {
  "upload:registered": upload,
  "upload:started": upload,
  "upload:scanning": { uploadId: "u" },
  "upload:scanned": { uploadId: "u", scan },
  "upload:progress": progress,
  "upload:completed": upload,
  "upload:failed": { ...upload, reason },
  "upload:reopened": upload,
  "upload:paused": upload,
  "upload:resumed": upload,
  "upload:cancelled": upload,
  "upload:adjusted": { ...upload, priority: 1, schedule: "0 3 * * *", activeHours: null, bandwidthLimit: 100 },
  "upload:waiting": { uploadId: "u", cause: "activeHours", until: AT },
  "upload:changed": upload,
  "upload:verified": { uploadId: "u", checkedFiles: 3, missing: 1, different: 0, extra: null, requeued: 1 },
  "file:queued": file,
  "file:started": file,
  "file:progress": { ...file, bytes: 5, sentBytes: 5, partNumber: 1, partSize: 5, partMs: 1.5 },
  "file:uploaded": { ...file, etag: '"e"', checksum: "crc32:00000000" },
  "file:retrying": { ...file, reason, nextAttemptAt: AT },
  "file:failed": { ...file, reason },
  "file:skipped": { ...file, reason },
  "file:unstable": { ...file, reason },
  "file:changed": file,
  "file:removed": file,
  "file:deleted": file,
  "step:started": { ...file, step: "gzip" },
  "step:finished": { ...file, ...trace },
  "file:claimed": { uploadId: "u", path: "a", from: "/in/incoming/a", to: "/in/working/a" },
  "file:disposed": { uploadId: "u", path: "a", from: "/in/a", to: null },
  "monitor:check": { uploadId: "u" },
  "monitor:live": { uploadId: "u" },
  "monitor:degraded": { uploadId: "u", reason },
  "monitor:requeued": { uploadId: "u", files: 3 },
  "recovery:finished": { files: 1, uploads: 2, cleaned: 3 },
  warning: { code: "LISTENER_THREW", message: "It threw.", uploadId: "u" },
};

const told = (name: EventName) => JSON.parse(eventData(PAYLOADS[name], AT)) as Record<string, unknown>;

test.each(EVENT_NAMES)("the data of %s are what is documented, no less and no more", (name) => {
  const data = told(name);
  const validator = Compile(EVENT_DATA[name]);
  expect([...validator.Errors(data)]).toEqual([]);
  expect(Object.keys(data).sort()).toEqual(Object.keys(EVENT_DATA[name].properties).sort());
  expect(data.at).toBe("2026-01-02T03:04:05.678Z");
  expect(JSON.stringify(data)).not.toMatch(/"\w*[A-Z]\w*":/);
});

test("every event of the core is documented", () => {
  expect([...EVENT_NAMES].sort()).toEqual(Object.keys(PAYLOADS).sort());
  for (const name of EVENT_NAMES) expect(describeEvents()).toContain(`| \`${name}\` | \`at\``);
  expect(describeEvents()).toContain("`part_ms`?: number");
  expect(describeEvents()).toContain("`reason`: Reason or null");
});

test("times are texts, progress has the names that it has in an upload, and devices are left out", () => {
  expect(told("upload:scanned").scan).toEqual({
    started_at: "2026-01-02T03:04:05.678Z",
    finished_at: "2026-01-02T03:04:05.679Z",
    seen: 1,
    added: 1,
    changed: 0,
    removed: 0,
    skipped: 0,
    complete: true,
    unstable: 0,
    doubt: reason,
  });
  expect(told("file:retrying").next_attempt_at).toBe("2026-01-02T03:04:05.678Z");
  expect(told("upload:waiting").until).toBe("2026-01-02T03:04:05.678Z");
  expect(told("upload:progress")).toMatchObject({ progress: 1 / 3, total_files: 9, completed_bytes: 30 });
  expect(told("file:queued").file_id).toBe(Buffer.from("a/é.txt").toString("base64url"));
});

test("whatever a name contains, the data are one line", () => {
  const path = "a\r\n\n\u2028\u0000data: x\uD800";
  const line = eventData({ ...file, path }, AT);
  expect(line.split(/\r|\n/)).toHaveLength(1);
  expect(JSON.parse(line)).toMatchObject({ path });
});
