import { type ServiceHealth, type ServiceStatus, UPLOAD_STATES } from "@bucketline/core";
import { Gauge, type Registry } from "prom-client";
import { FILE_FIGURES, type LedgerFigures, type UploadFigures, WATCH_STATES } from "./ledger-figures.ts";
import { isReady } from "./readiness.ts";
import type { Aged } from "./shared-reading.ts";

/** What a scrape has found out. What could not be found out has no value then. */
export interface Snapshot {
  readonly now: number;
  readonly status: ServiceStatus;
  readonly health: ServiceHealth | undefined;
  readonly figures: Aged<LedgerFigures> | undefined;
}

type SetGauge = (name: string, value: number | null, labels?: Readonly<Record<string, string>>) => void;
type Described = readonly [help: string, ...labels: string[]];

/** Gauges of the state of the service, by name without the prefix. */
const GAUGES: Readonly<Record<string, Described>> = {
  ready: ["1 when the service can work, as /ready says."],
  started: ["1 from the end of the start until the service is stopped."],
  stopping: ["1 while the service stops."],
  files_in_flight: ["Files that are being sent, those that only wait among them."],
  concurrency: ["Files that may be in flight now."],
  concurrency_limit: ["Files that may be in flight when the store does not ask to slow down."],
  lease_valid: ["1 while the service may begin work: others have not taken over what it holds."],
  lease_age_seconds: ["Since the ledger last accepted a sign of life."],
  monitor_alive: ["1 while folders are looked after."],
  monitor_watched_uploads: ["Uploads whose folders this service scans."],
  scans_running: ["Scans under way."],
  last_scan_timestamp_seconds: ["When this service last finished a scan, in seconds since 1970."],
  store_up: ["1 when the ledger answered."],
  bucket_up: ["1 when the bucket answered; at most 20 buckets of uploads that are not over.", "bucket"],
  uploads: ["Uploads in the ledger, by state.", "state"],
  uploads_not_counted: [
    "1 when the ledger has more than 10,000 uploads: those beyond, cancelled ones first, are in no figure.",
  ],
  uploads_without_series: ["Uploads that are not over and have no series of their own."],
  files: ["Files in the ledger, by what has become of them.", "state"],
  ledger_bytes: ["Bytes of files that are to be, or are, in a bucket.", "state"],
  queue_files: ["Files that wait or are in flight, of uploads that are neither paused nor over."],
  watches: ["Watched uploads, by how changes come to notice here.", "state"],
  oldest_scan_age_seconds: [
    "Of the uploads that are scanned at intervals, how long ago the one that has waited longest was scanned.",
  ],
  notices: ["Notices in the ledger, by state; 1,000 stands for that many or more.", "state", "subscriber"],
  ledger_figures_age_seconds: ["How old the figures of the ledger are."],
  upload_files: ["Files of an upload, by what has become of them.", "upload_id", "state"],
  upload_bytes: ["Bytes of the files of an upload.", "upload_id", "state"],
  upload_scan_age_seconds: [
    "How long ago the folder of an upload was scanned; of those that are scanned at intervals.",
    "upload_id",
  ],
  upload_scan_interval_seconds: [
    "How often the folder of an upload is to be scanned, by its own interval or the service's.",
    "upload_id",
  ],
};

/** Figures of the ledger that are older than this are not shown. */
const FIGURES_FOR_MS = 60_000;

/** Adds the gauges. @returns brings them up to date */
export function stateGauges(registry: Registry): (snapshot: Snapshot) => void {
  const gauges = new Map(
    Object.entries(GAUGES).map(([name, [help, ...labelNames]]) => [
      name,
      new Gauge({ name: `bucketline_${name}`, help, labelNames, registers: [registry] }),
    ]),
  );
  return (snapshot) => {
    for (const gauge of gauges.values()) gauge.reset();
    const named = new Set<string>();
    const set: SetGauge = (name, value, labels) => {
      if (value === null) return;
      named.add(name);
      const gauge = gauges.get(name);
      if (labels) gauge?.set(labels, value);
      else gauge?.set(value);
    };
    setStatus(set, snapshot.status, snapshot.now);
    if (snapshot.health) setHealth(set, snapshot.health);
    if (snapshot.figures && snapshot.figures.ageMs < FIGURES_FOR_MS) setFigures(set, snapshot.figures, snapshot);
    // A gauge without labels is 0 after a reset, which would be a lie.
    for (const [name, gauge] of gauges) if (!named.has(name) && GAUGES[name]?.length === 1) gauge.remove();
  };
}

function setStatus(set: SetGauge, status: ServiceStatus, now: number): void {
  const { lease, monitor, concurrency } = status;
  set("started", Number(status.started));
  set("stopping", Number(status.stopping));
  set("files_in_flight", status.inFlight);
  set("concurrency", concurrency.current);
  set("concurrency_limit", concurrency.limit);
  set("lease_valid", Number(lease.valid));
  set("lease_age_seconds", seconds(lease.ageMs));
  set("monitor_alive", Number(monitor.alive));
  set("monitor_watched_uploads", monitor.watched);
  set("scans_running", monitor.scanning);
  set("last_scan_timestamp_seconds", seconds(monitor.lastScanAt === null ? null : Math.min(monitor.lastScanAt, now)));
}

function setHealth(set: SetGauge, health: ServiceHealth): void {
  set("ready", Number(isReady(health)));
  set("store_up", Number(health.store.ok));
  for (const { bucket, ok } of health.buckets) set("bucket_up", Number(ok), { bucket });
}

function setFigures(
  set: SetGauge,
  { value: figures, ageMs }: Aged<LedgerFigures>,
  { now, status }: Pick<Snapshot, "now" | "status">,
): void {
  set("ledger_figures_age_seconds", ageMs / 1000);
  for (const state of UPLOAD_STATES) set("uploads", figures.uploads[state], { state: state.toLowerCase() });
  for (const state of FILE_FIGURES) set("files", figures.files[state], { state });
  for (const state of WATCH_STATES) set("watches", figures.watches[state] ?? 0, { state });
  setBytes(set, "ledger_bytes", figures);
  set("queue_files", figures.queued);
  set("oldest_scan_age_seconds", ageOf(figures.oldestScanAt, now));
  set("uploads_not_counted", Number(figures.cut));
  set("uploads_without_series", figures.unnamed);
  for (const { state, subscriber, count } of figures.notices)
    set("notices", count, { state: state.toLowerCase(), subscriber });
  for (const upload of figures.each) setUpload(set, upload, now, status.monitor.intervalMs);
}

function setUpload(set: SetGauge, upload: UploadFigures, now: number, intervalMs: number): void {
  const upload_id = upload.id;
  for (const state of FILE_FIGURES) set("upload_files", upload.files[state], { upload_id, state });
  setBytes(set, "upload_bytes", upload, { upload_id });
  set("upload_scan_age_seconds", ageOf(upload.scannedAt, now), { upload_id });
  if (upload.scannedAt !== null)
    set("upload_scan_interval_seconds", seconds(upload.scanEveryMs ?? intervalMs), { upload_id });
}

function setBytes(
  set: SetGauge,
  name: string,
  { bytes, uploadedBytes }: Pick<UploadFigures, "bytes" | "uploadedBytes">,
  labels: Readonly<Record<string, string>> = {},
): void {
  set(name, uploadedBytes, { ...labels, state: "uploaded" });
  set(name, Math.max(0, bytes - uploadedBytes), { ...labels, state: "missing" });
}

function ageOf(at: number | null, now: number): number | null {
  return at === null ? null : Math.max(0, now - at) / 1000;
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
