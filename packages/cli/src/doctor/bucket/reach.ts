import { ObjectStoreError } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { printable } from "../../output/printable.ts";
import { type Check, type Discovery, ok, problem, reasonOf, warning } from "../finding.ts";
import type { BucketSession } from "./session.ts";

const REMEDIES: Readonly<Record<string, string>> = {
  bucketMissing: "Make the bucket, or look at its name and at the endpoint.",
  credentials: "Look at the credentials: they are unknown there, expired, or belong to another store.",
  wrongRegion: "Name the bucket's region with AWS_REGION or s3.region.",
  transient: "Look at the endpoint, the network, proxies and certificates; the store may be down.",
  throttled: "The store asks for patience: try again later.",
};

export const reachCheck: Check<BucketSession> = {
  name: "bucket",
  async run(session) {
    const { bucket, client, examination } = session;
    const store = new S3ObjectStore({ client });
    const { abortSignal: signal } = session.options();
    try {
      await store.checkBucket({ bucket, signal });
      return [ok(`s3://${printable(bucket)} is there.`, { bucket })];
    } catch (error) {
      examination.cut.throwIfAborted();
      return [refused(error, bucket)];
    }
  },
};

function refused(error: unknown, bucket: string): Discovery {
  const kind = error instanceof ObjectStoreError ? error.kind : "transient";
  const facts = { bucket, kind };
  if (kind === "denied")
    return warning(
      `s3://${printable(bucket)} may not be listed, or is not there.`,
      "Grant s3:ListBucket on it: `verify` needs it, and without it a missing object looks like a forbidden one.",
      facts,
    );
  const remedy = REMEDIES[kind] ?? "Look at the name of the bucket and at the endpoint.";
  const message = `s3://${printable(bucket)} cannot be reached: ${printable(reasonOf(error))}`;
  return { ...problem(message, remedy, facts), isOutOfReach: true };
}
