import { posix } from "node:path";
import mime from "mime-types";

/** Of extensions that were met, which are few; names like "report.20261123" could be many. */
const known = new Map<string, string>();
const MOST_KNOWN = 1_000;

/** The content type that the file name's extension stands for; S3's own default where there is none. */
export function contentType(path: string): string {
  const extension = posix.extname(path);
  let type = known.get(extension);
  if (type === undefined) {
    type = (extension && mime.contentType(extension)) || "application/octet-stream";
    if (known.size < MOST_KNOWN) known.set(extension, type);
  }
  return type;
}
