import { stripVTControlCharacters } from "node:util";
import type { Progress, UploadService } from "@bucketline/core";
import { barLine, percentOf, plainLine } from "./bar.ts";

/** The part of a terminal, file or pipe in use. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Back to the first column, and everything behind it is erased. */
const REDRAW = "\r\u001b[K";
/** Per cent between two lines where nothing can be redrawn. */
const STEP = 25;

/** Shows how the service's upload goes, from now on. @returns shows the last figures, and ends it */
export function showProgress(service: Pick<UploadService, "on">, output: Output): (last: Progress) => void {
  return output.isTTY ? redraw(service, output) : appendLines(service, output);
}

function redraw(service: Pick<UploadService, "on">, output: Output): (last: Progress) => void {
  const draw = (progress: Progress) => output.write(REDRAW + barLine(progress, output.columns || 80));
  service.on("upload:progress", draw);
  service.on("file:failed", ({ path, reason }) => output.write(`${REDRAW}${failure(path, reason)}\n`));
  return (last) => {
    draw(last);
    output.write("\n");
  };
}

function appendLines(service: Pick<UploadService, "on">, output: Output): (last: Progress) => void {
  let next = 0;
  service.on("upload:progress", (progress) => {
    if (percentOf(progress) < next) return;
    output.write(`${plainLine(progress)}\n`);
    next = (Math.floor(percentOf(progress) / STEP) + 1) * STEP;
  });
  service.on("file:failed", ({ path, reason }) => output.write(`${failure(path, reason)}\n`));
  return (last) => {
    output.write(`${plainLine(last)}\n`);
  };
}

/** Names of files may hold anything, sequences that steer a terminal among it. */
function failure(path: string, { code, message }: { readonly code: string; readonly message: string }): string {
  return stripVTControlCharacters(`${path}: ${code}: ${message}`).replaceAll(/\p{Cc}/gu, "?");
}
