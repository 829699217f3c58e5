import { S3ServiceException } from "@aws-sdk/client-s3";
import { BucketlineError, ERRORS } from "@bucketline/core";
import { SandboxError } from "@bucketline/s3-sandbox";
import { printable } from "./format.ts";

/** The example came to a bad end that is no error of its own. The message is for the user. */
export class Failure extends Error {}

/**
 * What to tell the user: what happened, and what to do about it.
 * @returns undefined for what nobody expected, which deserves its stack
 */
export function explain(error: unknown): string[] | undefined {
  if (error instanceof BucketlineError) return [`${error.code}: ${printable(error.message)}`, ERRORS[error.code]];
  if (error instanceof SandboxError) return [`${error.code}: ${printable(error.message)}`];
  if (error instanceof Failure) return [printable(error.message)];
  if (error instanceof S3ServiceException) return [`${error.name}: ${printable(error.message)}`];
  // Of the system, the network or the SDK.
  if (error instanceof Error && ("code" in error || "$metadata" in error)) return [printable(error.message)];
  return undefined;
}
