export type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksums.ts";
export type { Dialect } from "./dialect.ts";
export { type S3ErrorCode, SandboxError, type SandboxErrorCode } from "./errors.ts";
export type { FaultAction, FaultCall, FaultEffect, FaultHandle, FaultOptions } from "./faults.ts";
export type { ObjectView, PartView, UploadView } from "./inspection.ts";
export type { OperationName } from "./operations.ts";
export type { RequestOutcome, RequestRecord } from "./requests.ts";
export {
  type ClientConfig,
  DEFAULT_CREDENTIALS,
  DEFAULT_MIN_PART_SIZE,
  DEFAULT_OWNER_ID,
  DEFAULT_REGION,
  DEFAULT_REQUEST_LIMIT,
  type Sandbox,
  type SandboxOptions,
  startSandbox,
} from "./sandbox.ts";
export type { SandboxCredentials } from "./signature.ts";
