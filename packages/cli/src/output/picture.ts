import type { Flight, Standing } from "../transfer/observation.ts";
import { columnsOf, fitPieces, keepEnd, padTo } from "./columns.ts";
import { printable } from "./printable.ts";
import { bytes, count, duration, percent } from "./quantities.ts";
import type { Terminal } from "./terminal.ts";

/** What a live view shows at one moment. */
export interface Moment {
  readonly standing: Standing | undefined;
  readonly flights: readonly Flight[];
  readonly isScanning: boolean;
  /** What holds it up, or how it ends; empty while it just goes on. */
  readonly state: string;
}

export interface Canvas {
  /** No line is wider. */
  readonly width: number;
  /** No more lines. */
  readonly height: number;
  /** Whether the terminal shows more than ASCII. */
  readonly isUnicode: boolean;
  readonly style: Terminal["style"];
}

const MOST_FLIGHTS = 8;
const FLIGHT_BAR = 12;
const WIDE = 60;
const NARROW = 16;
const SIZE_COLUMNS = 8;

/** The progress as one line, for output that is not a terminal. */
export function progressLine({ standing, isScanning, state }: Moment): string {
  if (!standing) return state || "scanning";
  const facts = [percent(standing.fraction), amounts(standing), ...files(standing), ...pace(standing, isScanning)];
  return [...facts, ...(isScanning ? ["scanning"] : []), ...(state ? [state] : [])].join(", ");
}

/** The progress as a block of lines: the sum of all, and the files in flight. */
export function progressBlock({ standing, flights, isScanning, state }: Moment, canvas: Canvas): string[] {
  const { width, height, style } = canvas;
  const scanning = canvas.isUnicode ? "scanning …" : "scanning ...";
  const said = state ? [state] : [];
  const phase = isScanning || !standing ? [scanning] : [];
  const head = standing
    ? [
        ...(width < WIDE
          ? narrowHead(standing, isScanning, canvas)
          : [overall(standing, [amounts(standing), ...pace(standing, isScanning)], canvas)]),
        coloured(fitPieces([...said, ...files(standing), ...phase], width), standing, canvas),
      ]
    : [fitPieces([...said, ...phase], width)];
  const room = Math.max(0, Math.min(MOST_FLIGHTS, height - head.length));
  // A line for those that are not shown takes the place of one that would be.
  const shown = flights.slice(0, flights.length > room ? Math.max(0, room - 1) : room);
  const more = flights.length - shown.length;
  return [
    ...head,
    ...shown.map((flight) => flightLine(flight, canvas)),
    ...(more > 0 && room > 0 ? [style("dim", keepEnd(`  and ${more.toLocaleString("en-US")} more`, width))] : []),
  ].slice(0, Math.max(1, height));
}

function overall({ fraction }: Standing, facts: readonly string[], canvas: Canvas): string {
  const pieces = [percent(fraction).padStart(5), ...facts];
  const barWidth = Math.min(40, Math.floor(facts.length > 0 ? canvas.width / 3 : canvas.width - 7));
  if (barWidth < 8) return fitPieces(pieces, canvas.width);
  return `${bar(fraction, barWidth, canvas, "green")} ${fitPieces(pieces, canvas.width - barWidth - 1)}`;
}

/** Two lines, as one has no room for both bar and figures. */
function narrowHead(standing: Standing, isScanning: boolean, canvas: Canvas): string[] {
  const [rate = "", left = ""] = pace(standing, isScanning);
  const figures = [amounts(standing), left || rate].filter(Boolean);
  return [overall(standing, [], canvas), fitPieces(figures, canvas.width)];
}

/** Failures stand out, whatever else is in the line. */
function coloured(line: string, { filesFailed }: Standing, { style }: Canvas): string {
  const text = failures(filesFailed);
  return filesFailed === 0 || !line.includes(text) ? line : line.replace(text, () => style("red", text));
}

function amounts({ bytesUploaded, bytesTotal }: Standing): string {
  return `${bytes(bytesUploaded)} of ${bytes(bytesTotal)}`;
}

function files({ filesUploaded, filesTotal, filesFailed }: Standing): string[] {
  const there = `${filesUploaded.toLocaleString("en-US")} of ${count(filesTotal, "file")}`;
  return filesFailed > 0 ? [there, failures(filesFailed)] : [there];
}

function failures(number: number): string {
  return `${number.toLocaleString("en-US")} failed`;
}

/** Nobody knows how long it takes before everything is known. */
function pace({ rate, etaSeconds, fraction }: Standing, isScanning: boolean): string[] {
  if (rate === 0 || fraction === 1) return [];
  const left = etaSeconds !== null && etaSeconds > 0 && fraction < 1 && !isScanning;
  return [`${bytes(rate)}/s`, ...(left ? [`${duration(etaSeconds)} left`] : [])];
}

function flightLine({ path, size, bytes: arrived }: Flight, canvas: Canvas): string {
  const { width, style } = canvas;
  if (width < NARROW) return keepEnd(printable(path), width);
  const share = size === 0 ? 0 : Math.min(1, arrived / size);
  // What goes in one request has nothing to tell before it is there.
  const figure = (arrived > 0 ? percent(share) : "").padStart(5);
  if (width < WIDE) return `${style("dim", figure)} ${keepEnd(printable(path), width - columnsOf(figure) - 1)}`;
  const lead = `  ${bar(share, FLIGHT_BAR, canvas, "cyan")} ${style("dim", figure)}  `;
  const room = width - (2 + FLIGHT_BAR + 1 + columnsOf(figure) + 2) - SIZE_COLUMNS - 2;
  return `${lead}${padTo(keepEnd(printable(path), room), room)}  ${style("dim", bytes(size).padStart(SIZE_COLUMNS))}`;
}

/** Told apart without colours, too. */
function bar(share: number, width: number, { isUnicode, style }: Canvas, colour: "green" | "cyan"): string {
  if (!isUnicode) {
    const full = Math.floor(share * (width - 2));
    return `[${"#".repeat(full)}${"-".repeat(width - 2 - full)}]`;
  }
  const halves = Math.floor(share * width * 2);
  const filled = `${"━".repeat(Math.floor(halves / 2))}${halves % 2 === 1 ? "╸" : ""}`;
  return style(colour, filled) + style("dim", "─".repeat(width - filled.length));
}
