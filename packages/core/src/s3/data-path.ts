import {
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  UploadPartCommand,
  type UploadPartCommandInput,
} from "@aws-sdk/client-s3";
import type { WriteAnswer } from "./answers.ts";

/** A PutObject whose bytes are all at hand. */
export type PutInput = PutObjectCommandInput & { readonly Body: Uint8Array };

/** An UploadPart whose bytes are all at hand. */
export type PartInput = UploadPartCommandInput & { readonly Body: Uint8Array };

/** What takes the bytes to the store. Each call is one request; failures are in the SDK's shape. */
export interface DataPath {
  putObject(input: PutInput, options: { readonly abortSignal?: AbortSignal }): Promise<WriteAnswer>;
  uploadPart(input: PartInput, options: { readonly abortSignal?: AbortSignal }): Promise<WriteAnswer>;
  close(): Promise<void>;
}

/** The SDK's own commands: what the direct path is measured against, and what takes over where that cannot go. */
export function sdkDataPath(client: S3Client): DataPath {
  return {
    putObject: (input, options) => client.send(new PutObjectCommand(input), options),
    uploadPart: (input, options) => client.send(new UploadPartCommand(input), options),
    close: async () => {},
  };
}
