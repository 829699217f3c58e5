import { isNativeError } from "node:util/types";
import { type ObjectErrorKind, ObjectStoreError } from "@bucketline/core";

/** What was to be done, for errors. */
export interface Target {
  readonly operation: string;
  readonly bucket: string;
  readonly key?: string | undefined;
}

export function refusal({ operation, bucket, key }: Target, kind: ObjectErrorKind, message: string): ObjectStoreError {
  return new ObjectStoreError({ kind, operation, bucket, key }, message);
}

/** What the errors of the file system mean to the engine. Everything else may pass, and is tried again. */
const KINDS: Readonly<Record<string, ObjectErrorKind>> = { EACCES: "denied", EPERM: "denied", EROFS: "denied" };

/**
 * Runs a call and makes an ObjectStoreError of what the file system says.
 * @param ambiguous whether the call may have had its effect although it failed
 */
export async function translated<T>(target: Target, ambiguous: boolean, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const code = codeOf(cause);
    if (code === undefined) throw cause;
    const { operation, bucket, key } = target;
    const facts = { kind: KINDS[code] ?? "transient", operation, bucket, key, ambiguous, providerCode: code } as const;
    throw new ObjectStoreError(facts, `the folder could not be used (${code}).`, { cause });
  }
}

/** The code of an error of the file system; undefined for any other. */
export function codeOf(error: unknown): string | undefined {
  if (!isNativeError(error) || !("syscall" in error) || !("code" in error)) return undefined;
  return String(error.code);
}
