import { relative, resolve, sep } from "node:path";
import { ERRORS, type Events, type Reason, type UploadService } from "@bucketline/core";
import { printable } from "../output/printable.ts";
import type { Terminal } from "../output/terminal.ts";
import type { ReasonGroup } from "./outcome.ts";

type MovedEvent = Parameters<Events["file:disposed"]>[0];

const EXAMPLES = 3;
const WIDTH = "retrying ".length;

/** What a run has done with the files of a drop folder. Of failures it keeps how many there were of each kind, and the first. */
export class DropTally {
  claimed = 0;
  done = 0;
  /** Moved to failed/. */
  failed = 0;
  readonly #groups = new Map<Reason["code"], { files: number; examples: { path: string; message: string }[] }>();

  constructor(service: UploadService, note: (line: string) => void, { style }: Terminal) {
    service.on("file:claimed", ({ path }) => {
      this.claimed++;
      note(`${style("dim", "taken")}${" ".repeat(WIDTH - 5)}${printable(path)}`);
    });
    service.on("file:disposed", (event) => {
      const folder = folderOf(event);
      if (folder === "done") {
        this.done++;
        note(`${style("green", "done")}${" ".repeat(WIDTH - 4)}${printable(event.path)}`);
      }
      if (folder === "failed") this.failed++;
    });
    for (const name of ["file:failed", "file:skipped"] as const)
      service.on(name, ({ path, reason }) => {
        this.#keep(path, reason);
        if (name === "file:skipped")
          note(`${style("yellow", "skipped")}${" ".repeat(WIDTH - 7)}${printable(`${path}: ${reason.message}`)}`);
      });
  }

  /** Why files did not arrive, the most frequent first. */
  get reasons(): ReasonGroup[] {
    return [...this.#groups]
      .map(([code, group]) => ({ code, ...group, remedy: ERRORS[code] }))
      .sort((a, b) => b.files - a.files);
  }

  #keep(path: string, { code, message }: Reason): void {
    const group = this.#groups.get(code) ?? { files: 0, examples: [] };
    this.#groups.set(code, group);
    group.files++;
    if (group.examples.length < EXAMPLES) group.examples.push({ path, message });
  }
}

/** Which of the four folders a file was moved to; undefined: it was deleted, as done/ is after its retention. */
function folderOf({ path, from, to }: MovedEvent): string | undefined {
  const base = resolve(from, "../".repeat(path.split("/").length + 1));
  return to === null ? undefined : relative(base, to).split(sep)[0];
}
