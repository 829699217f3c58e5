import { ERRORS, type EventName, type EventPayload, type Events, type UploadService } from "@bucketline/core";
import { Counter, Histogram, type Registry } from "prom-client";

/** From 5 ms to 10 minutes: a part on a fast line, and one that waits behind a slow one. */
const PART_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** A look at a file's head, and the encryption of a large one. */
const STEP_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800];
/** A folder of ten files, and one of ten million. */
const SCAN_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600];

/** Codes are bounded by the table of errors; what is not in it, such as a step's own, is counted as one. */
function codeLabel(code: string): string {
  return Object.hasOwn(ERRORS, code) ? code : "OTHER";
}

type Listeners = { readonly [Name in EventName]?: (event: EventPayload<Name>) => void };

/**
 * Counts what a service tells from now on. Values begin at 0 with the process, as counters of Prometheus may.
 * @returns stops it
 */
export function countEvents(service: Pick<UploadService, "on" | "off">, registry: Registry): () => void {
  const all: Listeners = {
    ...fileListeners(registry),
    ...stepListeners(registry),
    ...uploadListeners(registry),
  };
  const leave = Object.entries(all).map(([name, listener]) => {
    // One entry's name and listener belong together.
    const [event, hear] = [name as EventName, listener as Events[EventName]];
    service.on(event, hear);
    return () => service.off(event, hear);
  });
  return () => {
    for (const off of leave) off();
  };
}

function fileListeners(registry: Registry): Listeners {
  const counter = (name: string, help: string) =>
    new Counter({ name: `bucketline_${name}`, help, registers: [registry] });
  const byCode = (name: string, help: string) =>
    new Counter({ name: `bucketline_${name}`, help, labelNames: ["code"], registers: [registry] });
  const attempts = counter("file_attempts_total", "Attempts to send a file that have begun.");
  const uploaded = counter("files_uploaded_total", "Files that have been sent and verified.");
  const bytes = counter("files_uploaded_bytes_total", "Bytes of files that have been sent and verified.");
  const failed = byCode("files_failed_total", "Files that have become FAILED, by the code of the reason.");
  const retried = byCode("file_retries_total", "Attempts that failed and are repeated, by the code of the reason.");
  const skipped = byCode("files_skipped_total", "Files that have become SKIPPED, by the code of the reason.");
  const unstable = counter("files_unstable_total", "Files that never became quiet and were not sent.");
  const changed = counter("files_changed_total", "Known files that have been found changed.");
  const removed = counter("files_removed_total", "Files that have been found gone from their folder.");
  const deleted = counter("objects_deleted_total", "Objects that have been deleted after their files.");
  const partBytes = counter("parts_sent_bytes_total", "Bytes of parts that have arrived, sent again or not.");
  const partSeconds = new Histogram({
    name: "bucketline_part_duration_seconds",
    help: "How long parts took to arrive, repetitions of the request included.",
    buckets: PART_SECONDS,
    registers: [registry],
  });
  return {
    "file:started": () => attempts.inc(),
    "file:uploaded": ({ size }) => {
      uploaded.inc();
      bytes.inc(size);
    },
    "file:failed": ({ reason }) => failed.inc({ code: codeLabel(reason.code) }),
    "file:retrying": ({ reason }) => retried.inc({ code: codeLabel(reason.code) }),
    "file:skipped": ({ reason }) => skipped.inc({ code: codeLabel(reason.code) }),
    "file:unstable": () => unstable.inc(),
    "file:changed": () => changed.inc(),
    "file:removed": () => removed.inc(),
    "file:deleted": () => deleted.inc(),
    "file:progress": ({ partSize, partMs }) => {
      if (partSize === undefined || partMs === undefined) return;
      partBytes.inc(partSize);
      partSeconds.observe(Math.max(0, partMs) / 1000);
    },
  };
}

/** Names of steps are the host's own, so there are as many series as it has steps. */
function stepListeners(registry: Registry): Listeners {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `bucketline_${name}`, help, labelNames, registers });
  const runs = counter("steps_total", "Runs of steps of pipelines that have ended, by outcome.", ["step", "outcome"]);
  const bytesIn = counter("step_bytes_in_total", "Bytes that steps have read or been given.", ["step"]);
  const bytesOut = counter("step_bytes_out_total", "Bytes that transforms have made.", ["step"]);
  const seconds = new Histogram({
    name: "bucketline_step_duration_seconds",
    help: "How long runs of steps took.",
    labelNames: ["step"],
    buckets: STEP_SECONDS,
    registers,
  });
  return {
    "step:finished": ({ step, outcome, startedAt, endedAt, ...bytes }) => {
      runs.inc({ step, outcome });
      bytesIn.inc({ step }, bytes.bytesIn);
      bytesOut.inc({ step }, bytes.bytesOut);
      seconds.observe({ step }, Math.max(0, endedAt - startedAt) / 1000);
    },
  };
}

/** What becomes of uploads, by the event that tells. */
const CHANGES = [
  "registered",
  "started",
  "completed",
  "failed",
  "reopened",
  "paused",
  "resumed",
  "cancelled",
  "waiting",
] as const;

function uploadListeners(registry: Registry): Listeners {
  const registers = [registry];
  const changes = new Counter({
    name: "bucketline_upload_changes_total",
    help: "What has become of uploads, by the name of the event.",
    labelNames: ["change"],
    registers,
  });
  const scans = new Histogram({
    name: "bucketline_scan_duration_seconds",
    help: "How long finished scans of folders took.",
    buckets: SCAN_SECONDS,
    registers,
  });
  const seen = new Counter({
    name: "bucketline_scan_files_seen_total",
    help: "Matching files that finished scans have seen.",
    registers,
  });
  const doubts = new Counter({
    name: "bucketline_scans_incomplete_total",
    help: "Finished scans that could not read everything, or were not believed.",
    registers,
  });
  const requeued = new Counter({
    name: "bucketline_files_requeued_total",
    help: "Failed files that the monitor has queued again.",
    registers,
  });
  const degraded = new Counter({
    name: "bucketline_watch_degradations_total",
    help: "How often file system events of a folder were lost or not to be had.",
    registers,
  });
  const warnings = new Counter({
    name: "bucketline_warnings_total",
    help: "Warnings, by code.",
    labelNames: ["code"],
    registers,
  });
  for (const change of CHANGES) changes.inc({ change }, 0);
  const counting = CHANGES.map((change) => [`upload:${change}`, () => changes.inc({ change })] as const);
  return {
    ...Object.fromEntries(counting),
    "upload:scanned": ({ scan }) => {
      scans.observe(Math.max(0, scan.finishedAt - scan.startedAt) / 1000);
      seen.inc(scan.seen);
      if (!scan.complete || scan.doubt) doubts.inc();
    },
    "monitor:requeued": ({ files }) => requeued.inc(files),
    "monitor:degraded": () => degraded.inc(),
    warning: ({ code }) => warnings.inc({ code: codeLabel(code) }),
  };
}
