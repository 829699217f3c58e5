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

export interface WriteOptions {
  readonly abortSignal?: AbortSignal;
  /** Of the body, in hex, if it is known already. */
  readonly sha256?: string | undefined;
}

/** What takes the bytes to the store. Each call is one request; failures are in the SDK's shape. */
export interface DataPath {
  /** Whether the SHA-256 of bodies for this bucket spares work. */
  usesSha256(bucket: string): boolean;
  putObject(input: PutInput, options: WriteOptions): Promise<WriteAnswer>;
  uploadPart(input: PartInput, options: WriteOptions): Promise<WriteAnswer>;
  close(): Promise<void>;
}

/** The SDK's own commands: what the direct path is measured against, and what takes over where that cannot go. */
export function sdkDataPath(client: S3Client): DataPath {
  return {
    usesSha256: () => false,
    putObject: (input, { sha256: _, ...options }) => client.send(new PutObjectCommand(input), options),
    uploadPart: (input, { sha256: _, ...options }) => client.send(new UploadPartCommand(input), options),
    close: async () => {},
  };
}
