import type { Progress } from "@bucketline/core";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** One line of at most so many columns: `[#########-----------]  45 %  27.1 MiB of 60.0 MiB  12 of 62 files  8.2 MiB/s  4 s left`. */
export function barLine(progress: Progress, columns: number): string {
  const facts = factsOf(progress);
  const width = Math.min(40, columns - facts.length - 4);
  if (width < 5) return facts.slice(0, Math.max(0, columns - 1));
  const filled = Math.floor(progress.fraction * width);
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}] ${facts}`;
}

/** The same for files and pipes. */
export function plainLine(progress: Progress): string {
  return factsOf(progress).trimStart();
}

function factsOf(progress: Progress): string {
  const { bytesUploaded, bytesTotal, filesUploaded, filesTotal, filesFailed, rate, etaSeconds } = progress;
  return [
    `${String(percentOf(progress)).padStart(3)} %`,
    `${size(bytesUploaded)} of ${size(bytesTotal)}`,
    `${filesUploaded} of ${filesTotal} files`,
    ...(filesFailed > 0 ? [`${filesFailed} failed`] : []),
    ...(rate > 0 ? [`${size(rate)}/s`] : []),
    ...(etaSeconds !== null && etaSeconds > 0 ? [`${etaSeconds} s left`] : []),
  ].join("  ");
}

/** Rounded down: 100 only when everything is there. */
export function percentOf({ fraction }: Progress): number {
  return Math.floor(fraction * 100);
}

function size(bytes: number): string {
  const exponent = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** exponent).toFixed(exponent === 0 ? 0 : 1)} ${UNITS[exponent]}`;
}
