import { relative } from "node:path";
import type { EventPayload, UploadService } from "@bucketline/core";
import { bytes, printable } from "./format.ts";

export type Print = (line: string) => void;

/** Prints a line for everything that happens to a file, from now on. */
export function printTrace(service: Pick<UploadService, "on">, folder: string, print: Print): void {
  const line = (path: string, what: string, text: string) =>
    print(printable(`${path.padEnd(20)}  ${what.padEnd(10)}  ${text}`).trimEnd());
  const moved = (from: string, to: string | null) =>
    `${relative(folder, from)} -> ${to === null ? "deleted" : relative(folder, to)}`;

  service.on("file:claimed", ({ path, from, to }) => line(path, "taken in", moved(from, to)));
  service.on("step:finished", (step) => line(step.path, step.step, stepText(step)));
  service.on("file:uploaded", ({ path, key }) => line(path, "uploaded", key));
  service.on("file:retrying", ({ path, reason }) => line(path, "waits", `${reason.code}: ${reason.message}`));
  service.on("file:failed", ({ path, reason }) => line(path, "failed", `${reason.code}: ${reason.message}`));
  service.on("file:disposed", ({ path, from, to }) => line(path, "moved", moved(from, to)));
  service.on("warning", ({ code, message }) => line("", "warning", `${code}: ${message}`));
}

function stepText({ outcome, bytesIn, bytesOut, message, startedAt, endedAt }: EventPayload<"step:finished">): string {
  const sizes = outcome === "transformed" ? [`${bytes(bytesIn)} -> ${bytes(bytesOut)}`] : [];
  return [outcome, ...sizes, ...(message ? [message] : []), `${endedAt - startedAt} ms`].join("  ");
}
