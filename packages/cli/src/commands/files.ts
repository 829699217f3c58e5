import { type FileRecord, type FileState, type TimelineEntry, timelineOf, type UploadService } from "@bucketline/core";
import { fileView, timelineView } from "@bucketline/http/views";
import { withService } from "../assembly/service.ts";
import type { Context } from "../context.ts";
import { printable } from "../output/printable.ts";
import { bytes, count, moment } from "../output/quantities.ts";
import { stateCell } from "../output/states.ts";
import { type Cell, printTable } from "../output/table.ts";

interface FilesArguments {
  readonly id: string;
  readonly path?: string;
  readonly state?: readonly FileState[];
  readonly search?: string;
  readonly limit?: number;
}

const PAGE = 500;

/** Lists files of an upload in path order, or shows one of them with what befell it. */
export async function run(context: Context, { id, path, ...choice }: FilesArguments): Promise<undefined> {
  await withService(context, { bucket: false, makesLedger: false }, async (service) => {
    if (path === undefined) await list(context, service, id, choice);
    else await show(context, service, id, path);
  });
}

type Choice = Pick<FilesArguments, "state" | "search" | "limit">;

/** A page is printed before the next is read: an upload may have more files than fit into memory. */
async function list(context: Context, service: UploadService, id: string, choice: Choice): Promise<void> {
  const { output, signal } = context;
  let shown = 0;
  for await (const page of pagesOf(service, id, choice)) {
    signal.throwIfAborted();
    if (page.length === 0) continue;
    for (const file of page) output.record(fileView(file));
    if (!output.isJson) printTable(output, COLUMNS, page.map(rowOf), { titles: shown === 0 });
    shown += page.length;
  }
  output.note(shown === 0 ? "No file is like that." : count(shown, "file"));
}

async function* pagesOf(service: UploadService, id: string, choice: Choice): AsyncGenerator<FileRecord[]> {
  const { state: states, search: contains, limit = Number.POSITIVE_INFINITY } = choice;
  let left = limit;
  let after: string | null | undefined;
  while (left > 0 && after !== null) {
    const found = await service.findFiles(id, {
      limit: Math.min(PAGE, left),
      ...(states && { states }),
      ...(contains !== undefined && { contains }),
      ...(after !== undefined && { after }),
    });
    yield [...found.files];
    left -= found.files.length;
    after = found.next;
  }
}

const COLUMNS = [
  { title: "STATE", least: 11 },
  { title: "SIZE", align: "right", least: 8 },
  { title: "PATH", isFlexible: true },
  { title: "REASON", isFlexible: true },
] as const;

function rowOf(file: FileRecord): (string | Cell)[] {
  const reason = file.reason ? `${file.reason.code}: ${file.reason.message}` : "";
  return [stateCell(file.state), bytes(file.size), file.path, reason];
}

async function show({ output }: Context, service: UploadService, id: string, path: string): Promise<void> {
  const { file, parts } = await service.file(id, path);
  const entries = timelineOf(file, parts);
  output.record({
    ...fileView(file),
    timeline: entries.map(timelineView),
  });
  if (output.isJson) return;
  const facts: [string, string][] = [
    ["path", file.path],
    ["state", stateCell(file.state).text],
    ["size", bytes(file.size)],
    ["changed", moment(Number(file.mtimeNs / 1_000_000n))],
    ["key", file.key],
    ["etag", file.evidence?.etag ?? ""],
    ["checksum", file.evidence?.checksum ?? ""],
    ["reason", file.reason ? `${file.reason.code}: ${file.reason.message}` : ""],
  ];
  for (const [name, value] of facts) if (value) output.line(`${name.padEnd(10)}${printable(value)}`);
  output.line();
  for (const entry of entries) {
    const { what, at, reason, attempt, parts: done, bytes: size } = timelineView(entry);
    const details = [
      ...stepTexts(entry),
      attempt === null ? "" : `attempt ${attempt}`,
      done === null ? "" : count(done, "part"),
      size === null ? "" : bytes(size),
      reason ? `${reason.code}: ${reason.message}` : "",
    ].filter(Boolean);
    const when = at === null ? "as soon as may be" : moment(Date.parse(at));
    output.line(`${when.padEnd(21)}${what.padEnd(12)}${printable(details.join(" · "))}`.trimEnd());
  }
}

/** What a step of a pipeline did; nothing of other entries. */
function stepTexts(entry: TimelineEntry): string[] {
  if (entry.what !== "step") return [];
  const { step, outcome, bytesIn, bytesOut, message } = entry;
  const sizes = outcome === "transformed" ? `${bytes(bytesIn)} to ${bytes(bytesOut)}` : "";
  return [step, outcome, sizes, message ?? ""];
}
