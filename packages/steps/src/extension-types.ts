const TEXT = ["text/*", "application/xml", "application/json", "application/rtf"];
const OFFICE = ["application/zip", "application/vnd.openxmlformats*", "application/vnd.oasis*", "application/vnd.ms-*"];
const VIDEO = ["video/*", "audio/*", "application/vnd.ms-asf", "application/mp4"];

const entries: readonly (readonly [string, readonly string[]])[] = [
  ["jpg jpeg jpe jfif", ["image/jpeg"]],
  ["png apng", ["image/png", "image/apng"]],
  ["gif", ["image/gif"]],
  ["webp", ["image/webp"]],
  ["bmp", ["image/bmp"]],
  ["tif tiff", ["image/*"]],
  ["heic heif avif", ["image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence", "image/avif"]],
  ["svg", ["application/xml", "text/plain", "image/svg+xml"]],
  ["mp4 m4v mov 3gp mkv webm avi mpg mpeg wmv flv", VIDEO],
  ["mp3 m4a aac flac wav ogg oga opus wma aif aiff", [...VIDEO, "application/ogg"]],
  ["ogv ogx", [...VIDEO, "application/ogg"]],
  ["pdf", ["application/pdf"]],
  ["docx xlsx pptx odt ods odp", [...OFFICE, "application/x-cfb"]],
  ["zip", ["application/zip"]],
  ["gz tgz", ["application/gzip"]],
  ["zst", ["application/zstd"]],
  ["bz2", ["application/x-bzip2"]],
  ["xz", ["application/x-xz"]],
  ["7z", ["application/x-7z-compressed"]],
  ["tar", ["application/x-tar"]],
  ["txt csv tsv md json jsonl ndjson xml html htm css log yaml yml ini", TEXT],
];

/**
 * What files of well-known extensions contain, as patterns of MIME types. Wide on purpose: it is there to catch a program that
 * is called `.jpg`, not a video in the wrong container. Extensions that are not listed are not judged.
 */
export const TYPES_OF_EXTENSION: ReadonlyMap<string, readonly string[]> = new Map(
  entries.flatMap(([names, types]) => names.split(" ").map((name) => [name, types] as const)),
);
