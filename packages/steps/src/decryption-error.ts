import { BucketlineError } from "@bucketline/core";

/**
 * A file that cannot be decrypted. `code` is one of `DECRYPT_NOT_ENCRYPTED`, `DECRYPT_TRUNCATED`, `DECRYPT_DAMAGED`,
 * `DECRYPT_KEY_UNKNOWN` and `DECRYPT_CONTEXT`.
 */
export class DecryptionError extends BucketlineError {}
