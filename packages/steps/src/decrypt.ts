import { buildDecrypt } from "@aws-crypto/decrypt-node";
import {
  CommitmentPolicy,
  type NodeDecryptionMaterial,
  NodeDefaultCryptographicMaterialsManager,
  type NodeMaterialsManager,
} from "@aws-crypto/material-management-node";
import { InputError } from "@bucketline/core";
import { DecryptionError } from "./decryption-error.ts";
import type { EncryptionContext } from "./encrypt.ts";
import { type KeyProvider, type Keys, keyList } from "./keys.ts";
import { shaped } from "./message-format.ts";
import { destroyed, throughDuplex } from "./through-duplex.ts";

/** What `decryptStream` needs. */
export interface DecryptOptions {
  /** Keys to try, each once. A file needs one of those it was encrypted with. */
  readonly keys: Keys;
  /** What the file's encryption context must hold; it may hold more. Default: anything. */
  readonly context?: EncryptionContext;
  /** Ends the work early, with its reason. */
  readonly signal?: AbortSignal;
}

const { decryptUnsignedMessageStream } = buildDecrypt({
  commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
  maxEncryptedDataKeys: 16,
});

/**
 * The plaintext of what the step `encrypt` has made. Every byte that is handed out has been authenticated, frame by frame; that
 * nothing is missing is certain only when the iteration ends by itself. What was handed out before an error must be thrown
 * away: `decryptFile` does that. Needs memory for a few frames of 64 KiB.
 * @param input bytes of the object: a Node stream, a web stream, or any other iterable of bytes
 * @throws DecryptionError `DECRYPT_NOT_ENCRYPTED`, `DECRYPT_KEY_UNKNOWN` none of the keys opens it, `DECRYPT_CONTEXT`,
 * `DECRYPT_TRUNCATED`, `DECRYPT_DAMAGED`; whatever reading the input throws; InputError `INVALID_OPTION`
 */
export async function* decryptStream(
  input: AsyncIterable<Uint8Array>,
  options: DecryptOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { context = {}, signal } = options;
  const keys = keyList(options.keys);
  let keyNames: readonly string[] = [];
  // Kept beside the stream, which at times reports that it was closed rather than why.
  let refusal: DecryptionError | undefined;
  const refuse = (error: DecryptionError): never => {
    refusal = error;
    throw error;
  };
  const materials = materialsFrom(keys, (failures) => refuse(unknownKey(keys, keyNames, failures)));
  const stream = decryptUnsignedMessageStream(materials);
  // Told once the header is authenticated, before any plaintext; what is thrown here becomes the stream's error.
  stream.once("MessageHeader", ({ encryptionContext }: { encryptionContext: EncryptionContext }) => {
    for (const [name, value] of Object.entries(context))
      if (encryptionContext[name] !== value) refuse(wrongContext(name));
  });
  const onAbort = () => stream.destroy(new Error("Aborted."));
  signal?.throwIfAborted();
  signal?.addEventListener("abort", onAbort, { once: true });
  const message = shaped(readable(input), (names) => {
    keyNames = names;
  });
  try {
    yield* throughDuplex(stream, message, destroyed);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ReadFailure) throw error.cause;
    if (refusal !== undefined) throw refusal;
    if (error instanceof DecryptionError) throw error;
    const text = "The encrypted file is damaged or was altered: authentication failed.";
    throw new DecryptionError("DECRYPT_DAMAGED", text, { cause: error });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What the SDK says of a keyring that has none of the keys. */
const NO_KEY = "unencryptedDataKey has not been set";

/** Marks what reading the input threw, to tell it from what decrypting throws. */
class ReadFailure extends Error {}

async function* readable(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* input;
  } catch (cause) {
    throw new ReadFailure("The encrypted file could not be read.", { cause });
  }
}

function materialsFrom(
  keys: readonly KeyProvider[],
  refuse: (failures: readonly unknown[]) => never,
): NodeMaterialsManager {
  return {
    getEncryptionMaterials: async () => {
      throw new InputError("INVALID_OPTION", "These materials only decrypt.");
    },
    decryptMaterials: async (request) => {
      const failures: unknown[] = [];
      for (const key of keys) {
        try {
          const manager = new NodeDefaultCryptographicMaterialsManager(await key.keyring());
          return (await manager.decryptMaterials(request)) as NodeDecryptionMaterial;
        } catch (error) {
          failures.push(error);
        }
      }
      return refuse(failures);
    },
  };
}

function unknownKey(
  keys: readonly KeyProvider[],
  inFile: readonly string[],
  failures: readonly unknown[],
): DecryptionError {
  const given = keys.map(({ id }) => id).join(", ");
  const named = inFile.map((name) => name.replace(/[^\x21-\x7e]/g, "?").slice(0, 256)).join(", ");
  const troubles = failures.flatMap((error) =>
    error instanceof Error && error.message !== NO_KEY ? error.message : [],
  );
  const why = troubles.length === 0 ? "" : ` (${troubles.join("; ")})`;
  const text = `None of the keys given (${given}) opens the file, which names ${named}${why}. Give that key, and check its bytes.`;
  return new DecryptionError("DECRYPT_KEY_UNKNOWN", text, { cause: new AggregateError(failures) });
}

function wrongContext(name: string): DecryptionError {
  return new DecryptionError(
    "DECRYPT_CONTEXT",
    `The file's encryption context does not have the value asked for of ${name}.`,
  );
}
