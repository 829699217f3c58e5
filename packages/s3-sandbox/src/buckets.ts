import { S3Error } from "./errors.ts";
import { emptyReply, xmlReply } from "./reply.ts";
import type { Operation } from "./service.ts";
import { childText, parseXml, type XmlNode } from "./xml.ts";

/** Whether S3 would accept the name of a general purpose bucket. Source: "General purpose bucket naming rules". */
export function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !/\.\.|^xn--|^sthree-|-s3alias$|--ol-s3$/.test(name) &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(name)
  );
}

export const listBuckets: Operation = (service) => {
  const buckets = [...service.catalog.buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const nodes = buckets.map(
    ({ name, createdAt }): XmlNode => [
      "Bucket",
      [
        ["Name", name],
        ["CreationDate", new Date(createdAt).toISOString()],
        ["BucketRegion", service.settings.region],
      ],
    ],
  );
  return xmlReply("ListAllMyBucketsResult", [
    ["Owner", [["ID", service.settings.ownerId]]],
    ["Buckets", nodes],
  ]);
};

export const createBucket: Operation = async (service, call) => {
  const name = call.info.bucket as string;
  if (!isBucketName(name)) throw new S3Error("InvalidBucketName", { details: { BucketName: name } });
  const { region } = service.settings;
  const { text } = await call.body.text();
  const constraint = text.trim() === "" ? undefined : childText(parseXml(text), "LocationConstraint");
  if ((constraint ?? "us-east-1") !== region) {
    throw new S3Error("IllegalLocationConstraintException", {
      message: `The ${constraint ?? "unspecified"} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    });
  }
  if (!service.catalog.buckets.has(name)) {
    service.commit({ type: "bucketCreated", bucket: name, at: service.now() }, call);
  } else if (region !== "us-east-1") {
    throw new S3Error("BucketAlreadyOwnedByYou", { details: { BucketName: name } });
  }
  return emptyReply(200, { location: `/${name}` });
};

export const headBucket: Operation = (service, call) => {
  service.bucket(call);
  return emptyReply(200, { "x-amz-bucket-region": service.settings.region, "x-amz-access-point-alias": "false" });
};

export const deleteBucket: Operation = (service, call) => {
  const bucket = service.bucket(call);
  if (bucket.objects.size > 0 || bucket.uploads.size > 0) {
    throw new S3Error("BucketNotEmpty", { details: { BucketName: bucket.name } });
  }
  service.commit({ type: "bucketDeleted", bucket: bucket.name }, call);
  return emptyReply(204);
};

export const getBucketLocation: Operation = (service, call) => {
  service.bucket(call);
  const { region } = service.settings;
  // A root element with text of its own, which the node writer has no form for.
  const text = region === "us-east-1" ? "" : region;
  const reply = xmlReply("LocationConstraint", []);
  return { ...reply, body: Buffer.from(String(reply.body).replace("></", `>${text}</`)) };
};
