import { buildEncrypt } from "@aws-crypto/encrypt-node";
import {
  AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  NodeAlgorithmSuite,
  NodeDefaultCryptographicMaterialsManager,
  type NodeMaterialsManager,
} from "@aws-crypto/material-management-node";
import { defineStep, InputError, StepError, type StepFile, type TransformStep } from "@bucketline/core";
import { type KeyProvider, type Keys, keyList } from "./keys.ts";
import { invalidStep, type SuffixOptions, versionOf } from "./options.ts";
import { drainedAway, throughDuplex } from "./through-duplex.ts";

/** Public facts that are bound to a file's encryption. */
export type EncryptionContext = Readonly<Record<string, string>>;

/** With what `encrypt` encrypts. */
export interface EncryptOptions extends SuffixOptions {
  /** The first encrypts; others may stand beside it so that one list serves for decrypting too. */
  readonly keys: Keys;
  /**
   * Bound to the file: whoever decrypts can ask for it, and a key service can allow by it. It stands in the object in clear text.
   * Default: none, so that a file can be decrypted wherever it is and whatever it is called.
   */
  readonly context?: EncryptionContext | ((file: StepFile) => EncryptionContext);
}

/** Value of the metadata entry `encryption-format`. */
export const ENCRYPTION_FORMAT = "aws-encryption-sdk-2";
/** AES-256-GCM, data key derived with HKDF-SHA512, key commitment, no signature: 0x0478. */
const SUITE = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
/** Plaintext bytes of one frame. 2^32 - 1 of them are 256 TiB, more than an S3 object can hold. */
const FRAME_BYTES = 64 * 1024;

const commitmentPolicy = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT;
const { encryptStream } = buildEncrypt({ commitmentPolicy, maxEncryptedDataKeys: 16 });

/**
 * Encrypts with AES-256-GCM in frames of 64 KiB under a data key of the file's own, which the first of `keys` wraps. The format is
 * that of the AWS Encryption SDK, message version 2, algorithm suite 0x0478: key commitment, and every frame authenticated with its
 * number, so that changed, exchanged and missing frames are found, and a missing end, too. See docs/encryption.md.
 *
 * The object's Content-Type becomes `application/octet-stream`, a Content-Encoding is taken away (compress before), and its
 * metadata gets `encryption-format` and `encryption-key-id`. It grows by 32 bytes per 64 KiB and a header of 200 to 600 bytes. Decrypt with
 * `decryptFile` or `decryptStream`. No two outputs are alike, not even of the same file.
 *
 * A key that cannot be used at the moment is StepError `STEP_UNAVAILABLE`: the file waits.
 * @throws InputError `INVALID_PIPELINE` or `INVALID_OPTION`
 */
export function encrypt(options: EncryptOptions): TransformStep {
  const { name = "encrypt", keySuffix, context = {} } = options;
  if (options.keys === undefined) invalidStep(name, "give keys.");
  const [key] = keyList(options.keys);
  // What a function would give is known only with the file.
  const fixed = typeof context === "function" ? [] : Object.entries(checkedContext(name, context)).sort();
  const metadata = { "encryption-format": ENCRYPTION_FORMAT, "encryption-key-id": key.id };
  return defineStep({
    name,
    ...versionOf({ key: key.id, context: fixed.length > 0 ? fixed : undefined }),
    ...(keySuffix === undefined ? {} : { keySuffix }),
    transform: async (file) => {
      const bound = checkedContext(name, typeof context === "function" ? context(file) : context);
      const materials = await unlessAborted(file.signal, materialsOf(key, bound));
      return {
        stream: (input) => encrypted(materials, bound, input),
        changes: () => ({ contentType: "application/octet-stream", contentEncoding: null, metadata }),
        message: () => `key ${key.id}`,
      };
    },
  });
}

async function* encrypted(
  materials: NodeMaterialsManager,
  encryptionContext: EncryptionContext,
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = encryptStream(materials, { suiteId: SUITE, encryptionContext, frameLength: FRAME_BYTES });
  yield* throughDuplex(stream, input, drainedAway);
}

/** The data key is made and wrapped before the first byte flows, so that a key service that is down holds the file back in time. */
async function materialsOf(key: KeyProvider, encryptionContext: EncryptionContext): Promise<NodeMaterialsManager> {
  try {
    const manager = new NodeDefaultCryptographicMaterialsManager(await key.keyring());
    const suite = new NodeAlgorithmSuite(SUITE);
    const material = await manager.getEncryptionMaterials({ suite, encryptionContext, commitmentPolicy });
    return {
      getEncryptionMaterials: async () => material,
      decryptMaterials: async () => {
        throw new InputError("INVALID_OPTION", "These materials only encrypt.");
      },
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StepError("STEP_UNAVAILABLE", `key ${key.id} cannot be used at the moment: ${why}`, { cause });
  }
}

function checkedContext(step: string, context: unknown): EncryptionContext {
  const entries = typeof context === "object" && context !== null ? Object.entries(context) : undefined;
  if (entries?.every(([name, value]) => typeof value === "string" && !name.startsWith("aws-crypto-")) !== true)
    return invalidStep(step, "context must be an object of strings whose names do not begin with aws-crypto-.");
  return Object.fromEntries(entries) as EncryptionContext;
}

/** A key service takes no signal; its answer is no longer waited for. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    if (signal.aborted) onAbort();
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
