import type { Reason, UploadService } from "@bucketline/core";
import { widthOf, wrapWords } from "../output/columns.ts";
import { printable } from "../output/printable.ts";
import type { Style, Terminal } from "../output/terminal.ts";

/** So many failures of one kind scroll by; the report has the rest. */
const TOLD_PER_CODE = 5;
const INDENT = " ".repeat("retrying ".length);

/** Tells failures as they happen, and everything else once: a store that is away would repeat itself for every file. */
export function tellTrouble(
  service: UploadService,
  note: (line: string) => void,
  { terminal, tellsAll = false }: { readonly terminal: Terminal; readonly tellsAll?: boolean },
): void {
  const counts = new Map<string, number>();
  const times = (key: string) => {
    const before = counts.get(key) ?? 0;
    counts.set(key, before + 1);
    return before;
  };
  const tell = (style: Style, what: string, text: string) => {
    const line = `${terminal.style(style, what)}${" ".repeat(INDENT.length - what.length)}${printable(text)}`;
    note(wrapWords(line, widthOf(terminal), { first: "", rest: INDENT }));
  };
  const about = (path: string, { code, message }: Reason) => `${path}: ${code}: ${message}`;
  service.on("file:failed", ({ path, reason }) => {
    const before = times(`failed ${reason.code}`);
    if (tellsAll || before < TOLD_PER_CODE) tell("red", "failed", about(path, reason));
    else if (before === TOLD_PER_CODE)
      note(terminal.style("dim", `More failures of the kind ${reason.code} are not shown.`));
  });
  service.on("file:retrying", ({ path, reason }) => {
    if (times(`retrying ${reason.code}`) === 0) tell("yellow", "retrying", about(path, reason));
  });
  service.on("file:unstable", ({ path, reason }) => tell("yellow", "waiting", about(path, reason)));
  service.on("warning", ({ code, message }) => {
    if (times(`warning ${code} ${message}`) > 0 || times(`warning ${code}`) >= TOLD_PER_CODE) return;
    tell("yellow", "warning", `${code}: ${message}`);
  });
}
