import { BUCKETLINE } from "./clients.ts";
import { type IdleResult, median, type Result, type Run, type ScanResult, type TransferResult } from "./results.ts";
import { SMALL_FILES, STEADY, STEADY_FILES } from "./rows.ts";

/** One line of the table: what was asked for and what was measured. */
export interface Line {
  readonly row: string;
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  /** Ours divided by the peer's, or the figure itself where the goal is one. */
  readonly measured: string;
  readonly goal: string;
  readonly reached: boolean;
}

type Metric = (run: Run) => number;
interface Figure {
  readonly what: string;
  readonly of: Metric;
  readonly unit: string;
  readonly digits: number;
}

const CPU: Figure = { what: "CPU", of: ({ cpuSeconds }) => cpuSeconds, unit: "s", digits: 2 };
const MEMORY: Figure = { what: "memory", of: ({ rssMiB }) => rssMiB, unit: "MiB", digits: 0 };
const rate = (files: number): Figure => ({
  ...{ what: "files/s", unit: "files/s", digits: 0 },
  of: ({ wallSeconds }) => files / wallSeconds,
});

/** Of the peers that check what they send: who does without is no measure for who does not. */
const CHECKING_PEERS = ["rclone", "s3cmd", "PutObject loop", "lib-storage", "s3-sync-client", "aws-cli"];

export function linesOf(result: Result): Line[] {
  if (result.kind === "scan") return scanLines(result);
  if (result.kind === "idle") return [idleLine(result)];
  const row = new RowLines(result);
  switch (result.row.name) {
    case "small":
      return smallLines(row);
    case "small-20ms":
      return [
        row.atLeast(rate(SMALL_FILES), 4_000),
        row.fasterThan(rate(SMALL_FILES), "PutObject loop", 5),
        row.fasterThan(rate(SMALL_FILES), "rclone", 4),
      ].flat();
    case "mid":
      return row.ratio(row.best(), 1 / 3);
    case "large-http":
    case "large-https":
      return [
        row.ratio("curl", result.row.secure ? 1.7 : 3.3),
        row.ratio(row.best(), 1 / 3),
        row.ratio("lib-storage", 1 / 5),
        row.atMost(MEMORY, 170),
      ].flat();
    case "rescan":
      return row.labels().flatMap((peer) => row.ratio(peer, 1));
    case "memory":
      return row.labels(true).flatMap((label) => row.atMost(MEMORY, 150, label));
    default:
      return [];
  }
}

function smallLines(row: RowLines): Line[] {
  const perFile: Figure = {
    ...{ what: "CPU per file", unit: "µs", digits: 0 },
    of: ({ cpuSeconds }) => (cpuSeconds / SMALL_FILES) * 1e6,
  };
  return [
    row.atMost(perFile, 250),
    row.steady(120),
    row.ratio("curl", 2.5),
    row.ratio("rclone", 1 / 3),
    row.ratio("lib-storage", 1 / 7),
    row.ratio("s3-sync-client", 1 / 7),
    ...["PutObject loop", "s3cmd", "aws-cli"].map((peer) => row.ratio(peer, 1)),
    row.atMost(MEMORY, 150),
  ].flat();
}

class RowLines {
  readonly #result: TransferResult;

  constructor(result: TransferResult) {
    this.#result = result;
  }

  /** Everybody but Bucketline, or Bucketline alone. */
  labels(ours = false): string[] {
    const { row, runs } = this.#result;
    const chosen = row.subjects.filter(({ client }) => (client === BUCKETLINE) === ours);
    return chosen.map(({ label }) => label).filter((label) => runs[label] !== undefined);
  }

  best(): string {
    const there = CHECKING_PEERS.filter((name) => this.#result.runs[name] !== undefined);
    return there.sort((a, b) => this.#middle(CPU, a) - this.#middle(CPU, b))[0] ?? "";
  }

  /** CPU, ours divided by the peer's. */
  ratio(peer: string, most: number): Line[] {
    return this.#compare(CPU, peer, (measured) => measured <= most, `≤ ${goalShare(most)}`);
  }

  fasterThan(figure: Figure, peer: string, least: number): Line[] {
    return this.#compare(figure, peer, (measured) => measured >= least, `≥ ${goalShare(least)}`);
  }

  atMost(figure: Figure, most: number, label = BUCKETLINE): Line[] {
    return this.#figure(figure, label, (measured) => measured <= most, `≤ ${most} ${figure.unit}`);
  }

  atLeast(figure: Figure, least: number): Line[] {
    const goal = `≥ ${least.toLocaleString("en-US")} ${figure.unit}`;
    return this.#figure(figure, BUCKETLINE, (measured) => measured >= least, goal);
  }

  /** What a file costs when the process has been running for a while. */
  steady(most: number): Line[] {
    if (this.#runs(STEADY).length === 0) return [];
    const few = this.#runs(BUCKETLINE);
    const perFile = this.#runs(STEADY).map(({ cpuSeconds }, round) => {
      return ((cpuSeconds - (few[round]?.cpuSeconds ?? Number.NaN)) / (STEADY_FILES - SMALL_FILES)) * 1e6;
    });
    const measured = median(perFile);
    const text = `${number(measured, 0)} µs`;
    const line = { what: "CPU per further file", ours: text, peer: "", measured: text };
    return [{ row: this.#result.row.title, ...line, goal: `≤ ${most} µs`, reached: measured <= most }];
  }

  #compare(figure: Figure, peer: string, holds: (measured: number) => boolean, goal: string): Line[] {
    const [ours, theirs] = [this.#runs(BUCKETLINE), this.#runs(peer)];
    if (ours.length === 0 || theirs.length === 0) return [];
    const pairs = ours.map((run, round) => figure.of(run) / figure.of(theirs[round] ?? run));
    const measured = median(pairs);
    return [
      {
        row: this.#result.row.title,
        what: figure.what,
        ours: this.#text(figure, BUCKETLINE),
        peer: `${peer} ${this.#text(figure, peer)}`,
        measured: share(measured),
        goal,
        reached: holds(measured),
      },
    ];
  }

  #figure(figure: Figure, label: string, holds: (measured: number) => boolean, goal: string): Line[] {
    if (this.#runs(label).length === 0) return [];
    const text = this.#text(figure, label);
    const what = label === BUCKETLINE ? figure.what : `${figure.what}, ${label.replace(`${BUCKETLINE}, `, "")}`;
    const reached = holds(this.#middle(figure, label));
    return [{ row: this.#result.row.title, what, ours: text, peer: "", measured: text, goal, reached }];
  }

  #runs(label: string): readonly Run[] {
    return this.#result.runs[label] ?? [];
  }

  #middle(figure: Figure, label: string): number {
    return median(this.#runs(label).map(figure.of));
  }

  #text(figure: Figure, label: string): string {
    return `${number(this.#middle(figure, label), figure.digits)} ${figure.unit}`;
  }
}

function scanLines({ files, find, checks, passes, rowsWritten, rssMiB }: ScanResult): Line[] {
  const row = `a living service looks again at ${files.toLocaleString("en-US")} files`;
  const [ours, bare, pass] = [median(checks), median(find), median(passes)];
  const allowed = 2 * bare + pass;
  const written = { row, what: "rows written", peer: "", ours: String(rowsWritten), measured: String(rowsWritten) };
  const memory = `${rssMiB.toFixed(0)} MiB`;
  return [
    {
      ...{ row, what: "CPU", ours: milliseconds(ours) },
      peer: `2 × find ${milliseconds(bare)} + one pass over the ledger ${milliseconds(pass)}`,
      ...{ measured: share(ours / allowed), goal: "≤ 1 ×", reached: ours <= allowed },
    },
    { ...written, goal: "0", reached: rowsWritten === 0 },
    { row, what: "memory", ours: memory, peer: "", measured: memory, goal: "≤ 150 MiB", reached: rssMiB <= 150 },
  ];
}

function idleLine({ folders, share: cores }: IdleResult): Line {
  const text = `${(cores * 100).toFixed(2)} % of a core`;
  const row = `idle service watching ${folders.toLocaleString("en-US")} folders`;
  return { row, what: "CPU", ours: text, peer: "", measured: text, goal: "< 1 % of a core", reached: cores < 0.01 };
}

const milliseconds = (seconds: number) => `${number(seconds * 1_000, 0)} ms`;
const share = (value: number) => `${value >= 10 ? value.toFixed(1) : value.toFixed(2)} ×`;
/** As goals are spoken of: 1/7, not 0.14. */
const goalShare = (value: number) => (value < 1 ? `1/${Math.round(1 / value)}` : `${value} ×`);

export function number(value: number, digits: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
