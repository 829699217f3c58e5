import { type ObjectStore, type ObjectStoreCapabilities, ServiceError } from "@bucketline/core";

/** For commands that only look at the ledger or change it: without it each would have to load and set up the AWS SDK. */
export class NoBucket implements ObjectStore {
  readonly capabilities: ObjectStoreCapabilities = {
    checksums: false,
    conditionalWrites: false,
    maxPutSize: 0,
    minPartSize: 0,
    maxPartSize: 0,
    maxParts: 0,
  };
  readonly checkBucket = refuse;
  readonly headObject = refuse;
  readonly putObject = refuse;
  readonly putStream = refuse;
  readonly deleteObject = refuse;
  readonly createMultipart = refuse;
  readonly uploadPart = refuse;
  readonly listParts = refuse;
  readonly completeMultipart = refuse;
  readonly abortMultipart = refuse;

  // biome-ignore lint/correctness/useYield: it refuses before there is anything to give
  async *listObjects(): AsyncGenerator<never> {
    await refuse();
  }

  // biome-ignore lint/correctness/useYield: it refuses before there is anything to give
  async *listMultiparts(): AsyncGenerator<never> {
    await refuse();
  }

  async close(): Promise<void> {}
}

async function refuse(): Promise<never> {
  throw new ServiceError("UNEXPECTED", "This command was not to ask the bucket anything.");
}
