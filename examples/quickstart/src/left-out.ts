import type { FileRecord, Upload, UploadService } from "@bucketline/core";

/** What is in the folder, but not in the bucket. */
export interface LeftOut {
  /** Files that can have no object, and why. Links and special files hold nothing to upload and do not count. */
  readonly files: number;
  readonly firstFiles: readonly FileRecord[];
  /** False: a part of the folder could not be read, and nobody knows what it holds. */
  readonly complete: boolean;
  /** What could not be read, in the words of the last scans. */
  readonly unread: readonly string[];
}

const PAGE = 500;
const FIRST = 5;

/** Collects what scans cannot read, from now on. */
export function noteUnread(service: UploadService): ReadonlySet<string> {
  const messages = new Set<string>();
  service.on("warning", ({ code, message }) => {
    if (code === "SOURCE_NOT_READABLE" || code === "SOURCE_OUTSIDE_ROOT") messages.add(message);
  });
  return messages;
}

export async function leftOut(
  service: UploadService,
  upload: Pick<Upload, "id" | "lastScan">,
  unread: ReadonlySet<string>,
): Promise<LeftOut> {
  const complete = upload.lastScan?.complete !== false;
  const firstFiles: FileRecord[] = [];
  let files = 0;
  for (let after: string | undefined; ; ) {
    const page = await service.files(upload.id, {
      ...(after !== undefined && { after }),
      limit: PAGE,
      states: ["SKIPPED"],
    });
    const missing = page.filter(
      ({ reason }) => reason?.code !== "SOURCE_NOT_REGULAR" && reason?.code !== "OBJECT_EXISTS",
    );
    files += missing.length;
    firstFiles.push(...missing.slice(0, FIRST - firstFiles.length));
    after = page.at(-1)?.path;
    if (page.length < PAGE) return { files, firstFiles, complete, unread: complete ? [] : [...unread] };
  }
}
