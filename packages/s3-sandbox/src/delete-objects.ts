import { S3Error } from "./errors.ts";
import { xmlReply } from "./reply.ts";
import type { Operation } from "./service.ts";
import { childText, parseXml, type XmlElement, type XmlNode } from "./xml.ts";

const MAX_KEYS = 1000;

interface Target {
  key: string;
  etag: string | undefined;
  versionId: string | undefined;
}

function readTarget(element: XmlElement): Target {
  const key = element.children.find((child) => child.name === "Key")?.text;
  if (key === undefined || key === "") throw new S3Error("MalformedXML");
  return { key, etag: childText(element, "ETag"), versionId: childText(element, "VersionId") };
}

function readTargets(document: string): { targets: Target[]; quiet: boolean } {
  const root = parseXml(document);
  const targets = root.children.filter((child) => child.name === "Object").map(readTarget);
  if (root.name !== "Delete" || targets.length === 0 || targets.length > MAX_KEYS) throw new S3Error("MalformedXML");
  return { targets, quiet: childText(root, "Quiet") === "true" };
}

export const deleteObjects: Operation = async (service, call) => {
  service.bucket(call);
  const { text, received } = await call.body.text();
  if (call.header("content-md5") === undefined && received.declared === undefined) {
    throw new S3Error("InvalidRequest", {
      message: "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
    });
  }
  const { targets, quiet } = readTargets(text);
  const bucket = service.bucket(call);
  const nodes: XmlNode[] = [];
  for (const { key, etag, versionId } of targets) {
    const object = bucket.objects.get(key);
    const refusal = refusalOf(etag, versionId, object?.etag);
    if (refusal) {
      nodes.push([
        "Error",
        [
          ["Key", key],
          ["Code", refusal.code],
          ["Message", refusal.message],
        ],
      ]);
      continue;
    }
    if (object) service.commit({ type: "objectDeleted", bucket: bucket.name, key }, call);
    if (!quiet) nodes.push(["Deleted", [["Key", key]]]);
  }
  return xmlReply("DeleteResult", nodes);
};

function refusalOf(
  etag: string | undefined,
  versionId: string | undefined,
  stored: string | undefined,
): S3Error | undefined {
  if (versionId !== undefined && versionId !== "null")
    return new S3Error("InvalidArgument", { message: "Invalid version id specified" });
  if (etag === undefined) return undefined;
  if (stored === undefined) return new S3Error("NoSuchKey");
  return etag === "*" || etag.replace(/^"(.*)"$/, "$1") === stored ? undefined : new S3Error("PreconditionFailed");
}
