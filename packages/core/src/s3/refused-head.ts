import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { ObjectStoreError } from "../errors.ts";
import type { ObjectAddress } from "../ports/object-store.ts";
import { classify, type FailedCall } from "./classify.ts";
import { objectInput } from "./inputs.ts";

/**
 * What lies behind a HEAD of an object that was refused with 400 and, as it has no body, without a reason: an expired
 * token concerns every request, an object encrypted with a key of its own (SSE-C) only this one. A GET of one byte needs
 * the same permission, and its refusal has a code.
 *
 * @returns the error to throw, classified or the SDK's own
 */
export async function explainHead(
  client: S3Client,
  request: ObjectAddress,
  options: { readonly abortSignal?: AbortSignal },
  call: FailedCall,
  refusal: unknown,
): Promise<unknown> {
  const { kind, status } = classify(refusal, call);
  if (kind !== "credentials" || status !== 400) return refusal;
  try {
    const { Body } = await client.send(new GetObjectCommand({ ...objectInput(request), Range: "bytes=0-0" }), options);
    // Not read: a store that ignores Range sends the whole object.
    (Body as { destroy?(): void } | undefined)?.destroy?.();
  } catch (error) {
    // An empty object has no first byte.
    if (classify(error, call).status !== 416) return error;
  }
  return new ObjectStoreError({ ...call, kind: "transient", status }, "HEAD was refused although GET is answered.");
}
