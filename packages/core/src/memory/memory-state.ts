import type { FileRecord, FinishedPart } from "../file.ts";
import type { Notice } from "../notice.ts";
import type { UploadPage } from "../ports/state-store.ts";
import type { UploadRecord } from "../upload.ts";
import { MemoryFiles } from "./memory-files.ts";
import { MemoryNotices } from "./memory-notices.ts";

/** One record as it shall stand, whatever stood there. Applying the same writes again in the same order changes nothing. */
export type RecordWrite =
  | { readonly upload: UploadRecord }
  | { readonly file: FileRecord; readonly parts?: readonly FinishedPart[] | undefined }
  | { readonly notice: Notice }
  /** The id of a notice that is no more. */
  | { readonly removedNotice: string };

/** A whole ledger in memory, with the orders in which it is asked: the tables of stores that keep no other ones. */
export class MemoryState {
  /** In order of registration. */
  readonly uploads = new Map<string, UploadRecord>();
  readonly files = new Map<string, MemoryFiles>();
  readonly notices = new MemoryNotices();
  /** Owner → monotonic time at which the lease runs out, in milliseconds. */
  readonly leases = new Map<string, number>();

  /** A file's upload has to be there already. */
  apply(write: RecordWrite): void {
    if ("file" in write) {
      this.filesOf(write.file.uploadId).put(write.file, write.parts);
      return;
    }
    if ("notice" in write) return this.notices.put(write.notice);
    if ("removedNotice" in write) return this.notices.remove(write.removedNotice);
    const { upload } = write;
    if (!this.uploads.has(upload.id)) this.files.set(upload.id, new MemoryFiles());
    this.uploads.set(upload.id, upload);
  }

  /** As StateStore's `listUploads`. */
  listUploads(page: UploadPage): UploadRecord[] {
    const uploads = [...this.uploads.values()];
    const last = page.after === undefined ? -1 : uploads.findIndex((upload) => upload.id === page.after);
    if (page.after !== undefined && last === -1) return [];
    return uploads
      .slice(last + 1)
      .filter((upload) => page.states === undefined || page.states.includes(upload.state))
      .filter((upload) => !page.cleanupDue || upload.cleanupDue)
      .slice(0, Math.max(0, page.limit));
  }

  /** None of an upload that is not there. */
  filesOf(uploadId: string): MemoryFiles {
    return this.files.get(uploadId) ?? new MemoryFiles();
  }

  /** @param now monotonic, in milliseconds */
  isAlive(owner: string, now: number): boolean {
    return (this.leases.get(owner) ?? Number.NEGATIVE_INFINITY) > now;
  }
}
