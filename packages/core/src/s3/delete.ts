import { DeleteObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import type { DeleteObjectRequest, DeleteOutcome } from "../ports/object-store.ts";
import { classify, type FailedCall } from "./classify.ts";
import { conditionInput, objectInput } from "./inputs.ts";

/**
 * Sends the DELETE, under `If-Match` where the store knows it. S3 answers 412 when the object has another ETag, 404 when
 * there is none, and 409 when somebody writes it at that moment (user guide, "How to perform conditional deletes").
 * @throws the SDK's error
 */
export async function sendDelete(
  client: S3Client,
  request: DeleteObjectRequest,
  conditional: boolean,
  options: { readonly abortSignal?: AbortSignal },
  call: FailedCall,
): Promise<DeleteOutcome> {
  const condition = conditional ? conditionInput({ ifMatch: request.ifMatch }) : {};
  try {
    await client.send(new DeleteObjectCommand({ ...objectInput(request), ...condition }), options);
    return "deleted";
  } catch (refusal) {
    const { kind } = classify(refusal, call);
    if (kind === "precondition") return "changed";
    if (kind === "notFound") return "absent";
    throw refusal;
  }
}
