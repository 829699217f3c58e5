import type { Upload, UploadService, UploadState } from "@bucketline/core";
import { uploadView } from "@bucketline/http/views";
import { withService } from "../assembly/service.ts";
import type { Context } from "../context.ts";
import { bytes, count, percent } from "../output/quantities.ts";
import { stateCell } from "../output/states.ts";
import { printTable } from "../output/table.ts";

interface LsArguments {
  readonly state?: readonly UploadState[];
  readonly limit?: number;
}

const PAGE = 200;

/** Lists uploads in order of registration. */
export async function run(
  context: Context,
  { state, limit = Number.POSITIVE_INFINITY }: LsArguments,
): Promise<undefined> {
  const { output } = context;
  await withService(context, { bucket: false, makesLedger: false }, async (service) => {
    const shown: Upload[] = [];
    for await (const upload of uploadsOf(service, limit, state)) {
      context.signal.throwIfAborted();
      output.record(uploadView(upload));
      if (!output.isJson) shown.push(upload);
    }
    if (output.isJson) return;
    if (shown.length > 0) print(context, shown);
    else output.note(state ? "No upload is in this state." : "No upload is registered.");
  });
}

/** Uploads in order of registration, a page at a time. */
export async function* uploadsOf(
  service: UploadService,
  limit: number,
  states?: readonly UploadState[],
): AsyncGenerator<Upload> {
  let left = limit;
  let after: string | undefined;
  while (left > 0) {
    const page = await service.list({
      limit: Math.min(PAGE, left),
      ...(after !== undefined && { after }),
      ...(states && { states }),
    });
    yield* page;
    left -= page.length;
    after = page.at(-1)?.id;
    if (page.length < PAGE || after === undefined) return;
  }
}

function print({ output }: Context, uploads: readonly Upload[]): void {
  const columns = [
    { title: "ID" },
    { title: "STATE" },
    { title: "DONE", align: "right" },
    { title: "FILES", align: "right" },
    { title: "FAILED", align: "right" },
    { title: "SIZE", align: "right" },
    { title: "FOLDER", isFlexible: true },
    { title: "BUCKET", isFlexible: true },
  ] as const;
  const rows = uploads.map(({ id, state, spec, progress }) => [
    id,
    stateCell(state),
    percent(progress.fraction),
    progress.filesTotal.toLocaleString("en-US"),
    { text: progress.filesFailed.toLocaleString("en-US"), ...(progress.filesFailed > 0 && { style: "red" as const }) },
    bytes(progress.bytesTotal),
    spec.sourceFolder,
    spec.bucket,
  ]);
  printTable(output, columns, rows);
  output.note(count(uploads.length, "upload"));
}
