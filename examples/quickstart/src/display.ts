import type { Progress, UploadService } from "@bucketline/core";
import { type Flight, progressBlock, progressLine } from "./picture.ts";

/** Shows how an upload goes, and lets other lines be printed meanwhile. */
export interface Display {
  /** Prints a line for good. */
  note(line: string): void;
  /** Shows the last figures and leaves them; once. Notes may still follow. */
  end(last: Progress | undefined): void;
}

const REDRAW_MS = 100;
const LINE_EVERY_MS = 2_000;

/** A block that redraws itself on a terminal, a line now and then anywhere else. */
export function openDisplay(service: UploadService, output: NodeJS.WriteStream): Display {
  const block = output.isTTY === true && process.env.TERM !== "dumb";
  return block ? new BlockDisplay(follow(service), output) : new LineDisplay(follow(service), output);
}

interface Observed {
  progress: Progress | undefined;
  readonly flights: Map<string, Flight>;
  scanning: boolean;
}

/** Keeps what the service tells; events only change memory, drawing has its own pace. */
function follow(service: UploadService): Observed {
  const observed: Observed = { progress: undefined, flights: new Map(), scanning: true };
  const land = ({ path }: { readonly path: string }) => observed.flights.delete(path);
  service.on("upload:progress", (progress) => {
    observed.progress = progress;
  });
  service.on("upload:scanning", () => {
    observed.scanning = true;
  });
  service.on("upload:scanned", () => {
    observed.scanning = false;
  });
  service.on("file:started", ({ path, size }) => observed.flights.set(path, { path, size, bytes: 0 }));
  service.on("file:progress", ({ path, size, bytes }) => observed.flights.set(path, { path, size, bytes }));
  for (const name of ["file:uploaded", "file:failed", "file:skipped", "file:removed"] as const) service.on(name, land);
  service.on("file:retrying", land);
  return observed;
}

class LineDisplay implements Display {
  readonly #observed: Observed;
  readonly #output: NodeJS.WriteStream;
  readonly #timer: NodeJS.Timeout;
  #ended = false;

  constructor(observed: Observed, output: NodeJS.WriteStream) {
    this.#observed = observed;
    this.#output = output;
    this.#timer = setInterval(() => this.#line(observed.progress), LINE_EVERY_MS);
    this.#timer.unref();
  }

  note(line: string): void {
    this.#output.write(`${line}\n`);
  }

  end(last: Progress | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    this.#observed.scanning = false;
    this.#line(last ?? this.#observed.progress);
  }

  #line(progress: Progress | undefined): void {
    if (progress) this.note(progressLine(progress, this.#observed.scanning));
  }
}

class BlockDisplay implements Display {
  readonly #observed: Observed;
  readonly #output: NodeJS.WriteStream;
  readonly #timer: NodeJS.Timeout;
  #height = 0;
  #ended = false;

  constructor(observed: Observed, output: NodeJS.WriteStream) {
    this.#observed = observed;
    this.#output = output;
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  note(line: string): void {
    this.#output.write(`${this.#erasure()}${line}\n`);
    this.#height = 0;
    if (!this.#ended) this.#draw();
  }

  end(last: Progress | undefined): void {
    if (this.#ended) return;
    clearInterval(this.#timer);
    Object.assign(this.#observed, { progress: last ?? this.#observed.progress, scanning: false });
    this.#observed.flights.clear();
    this.#ended = true;
    if (this.#observed.progress) this.#draw();
    this.#height = 0;
  }

  #draw(): void {
    const { progress, flights, scanning } = this.#observed;
    // The last column stays free: some terminals wrap as soon as it is written.
    const width = Math.max(1, (this.#output.columns || 80) - 1);
    const lines = progressBlock({ progress, flights: [...flights.values()], scanning }, width);
    this.#output.write(`${this.#erasure()}${lines.join("\n")}\n`);
    this.#height = lines.length;
  }

  /** Cursor up to where the block begins, and everything below cleared (ECMA-48 CUU and ED). */
  #erasure(): string {
    return this.#height > 0 ? `\u001b[${this.#height}A\u001b[0J` : "";
  }
}
