import { posix } from "node:path";
import mime from "mime-types";

/** The content type that the file name's extension stands for; S3's own default where there is none. */
export function contentType(path: string): string {
  const extension = posix.extname(path);
  const type = extension && mime.contentType(extension);
  return type || "application/octet-stream";
}
