import { styleText } from "node:util";
import type { Progress } from "@bucketline/core";
import { bytes, count, duration, percent, printable } from "./format.ts";

/** A file on its way. */
export interface Flight {
  readonly path: string;
  readonly size: number;
  /** Bytes of it that have arrived. */
  readonly bytes: number;
}

export interface Picture {
  readonly progress: Progress | undefined;
  readonly flights: readonly Flight[];
  readonly scanning: boolean;
}

const MOST_FLIGHTS = 5;

/** The progress as one line, for output that is not a terminal. */
export function progressLine(progress: Progress, scanning: boolean): string {
  return [percent(progress.fraction), ...facts(progress, scanning)].join(", ");
}

/** The progress as a block of lines, none of them wider than `width` columns. */
export function progressBlock({ progress, flights, scanning }: Picture, width: number): string[] {
  if (!progress) return [fit(["Scanning …"], width)];
  const shown = flights.slice(0, MOST_FLIGHTS);
  const barWidth = Math.max(0, Math.min(40, width - 40));
  const head = [
    ...(barWidth >= 8 ? [bar(progress.fraction, barWidth)] : []),
    percent(progress.fraction),
    ...facts(progress, scanning),
  ];
  const more = flights.length - shown.length;
  return [
    fit(head, width),
    ...shown.map((flight) => styleText("dim", flightLine(flight, width))),
    ...(more > 0 ? [styleText("dim", fit([`  and ${more} more`], width))] : []),
  ];
}

/** Most important first: what does not fit is left out from the end. */
function facts(progress: Progress, scanning: boolean): string[] {
  const { filesTotal, filesUploaded, filesFailed, bytesTotal, bytesUploaded, rate, etaSeconds, fraction } = progress;
  return [
    `${bytes(bytesUploaded)} of ${bytes(bytesTotal)}`,
    `${filesUploaded.toLocaleString("en-US")} of ${count(filesTotal, "file")}`,
    ...(filesFailed > 0 ? [`${filesFailed.toLocaleString("en-US")} failed`] : []),
    ...(rate > 0 ? [`${bytes(rate)}/s`] : []),
    ...(etaSeconds && fraction < 1 && !scanning ? [`${duration(etaSeconds)} left`] : []),
    ...(scanning ? ["still scanning"] : []),
  ];
}

function flightLine({ path, size, bytes: arrived }: Flight, width: number): string {
  const figures = arrived > 0 && arrived < size ? `${percent(arrived / size)} of ${bytes(size)}` : bytes(size);
  const room = width - figures.length - 4;
  return room < 8 ? fit([`  ${printable(path)}`], width) : `  ${shorten(printable(path), room)}  ${figures}`;
}

function bar(fraction: number, width: number): string {
  const filled = Math.round(fraction * width);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

function fit(pieces: readonly string[], width: number): string {
  let line = "";
  for (const piece of pieces) {
    const longer = line === "" ? piece : `${line}  ${piece}`;
    if (columns(longer) > width) break;
    line = longer;
  }
  return line === "" ? shorten(pieces[0] ?? "", width) : line;
}

/** Keeps the end of a text, which of a path says most. */
function shorten(text: string, width: number): string {
  if (columns(text) <= width) return text;
  let kept = "";
  for (const character of [...text].toReversed()) {
    if (columns(kept) + columns(character) + 1 > width) break;
    kept = character + kept;
  }
  return width > 0 ? `…${kept}` : "";
}

/** Columns a text may take: two for everything that might be wide, so that no line ever wraps. */
function columns(text: string): number {
  let sum = 0;
  for (const character of text) sum += character < "\u0300" || "█░…".includes(character) ? 1 : 2;
  return sum;
}
