import { parseQuery } from "./canonical.ts";
import { S3Error } from "./errors.ts";
import { emptyReply, xmlReply } from "./reply.ts";
import { type Operation, objectKey } from "./service.ts";
import { childText, parseXml, type XmlNode } from "./xml.ts";

const MAX_TAGS = 10;

function checkTags(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const [key, value] of pairs) {
    if (key.length < 1 || key.length > 128)
      throw new S3Error("InvalidTag", { message: "The TagKey you have provided is invalid" });
    if (value.length > 256) throw new S3Error("InvalidTag", { message: "The TagValue you have provided is invalid" });
    if (Object.hasOwn(tags, key))
      throw new S3Error("InvalidTag", { message: "Cannot provide multiple Tags with the same key" });
    tags[key] = value;
  }
  if (pairs.length > MAX_TAGS) throw new S3Error("InvalidTag", { message: "Object tags cannot be greater than 10" });
  return tags;
}

/** Tags of an `x-amz-tagging` header, which is written like a query string. */
export function parseTagHeader(header: string | undefined): Record<string, string> {
  if (header === undefined) return {};
  try {
    return checkTags(parseQuery(header));
  } catch (error) {
    if (error instanceof S3Error) throw error;
    throw new S3Error("InvalidArgument", {
      message:
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    });
  }
}

export const getObjectTagging: Operation = (service, call) => {
  const { tags } = service.object(call);
  const set = Object.entries(tags).map(
    ([key, value]): XmlNode => [
      "Tag",
      [
        ["Key", key],
        ["Value", value],
      ],
    ],
  );
  return xmlReply("Tagging", [["TagSet", set]]);
};

export const putObjectTagging: Operation = async (service, call) => {
  service.object(call);
  const root = parseXml((await call.body.text()).text);
  const set = root.children.find((child) => child.name === "TagSet");
  if (root.name !== "Tagging" || !set) throw new S3Error("MalformedXML");
  const pairs = set.children.map((tag): [string, string] => {
    const key = childText(tag, "Key");
    const value = childText(tag, "Value");
    if (tag.name !== "Tag" || key === undefined || value === undefined) throw new S3Error("MalformedXML");
    return [key, value];
  });
  const tags = checkTags(pairs);
  // The object may have gone while the body was read.
  service.object(call);
  service.commit({ type: "objectTagged", bucket: call.info.bucket as string, key: objectKey(call), tags }, call);
  return emptyReply(200);
};

export const deleteObjectTagging: Operation = (service, call) => {
  service.object(call);
  service.commit({ type: "objectTagged", bucket: call.info.bucket as string, key: objectKey(call), tags: {} }, call);
  return emptyReply(204);
};
