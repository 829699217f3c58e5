import { readFile } from "node:fs/promises";
import { KeyringNode } from "@aws-crypto/material-management-node";
import { RawAesKeyringNode, RawAesWrappingSuiteIdentifier } from "@aws-crypto/raw-aes-keyring-node";
import { InputError } from "@bucketline/core";

/** A key that wraps the data keys of files. */
export interface KeyProvider {
  /** Stands in the object's metadata and in messages: up to 256 of `A-Za-z0-9` and `._:/@+=-`. Never the key itself. */
  readonly id: string;
  /**
   * The keyring of the AWS Encryption SDK (for JavaScript in Node.js, version 5) that wraps new data keys and unwraps those it
   * has wrapped. Called for every file. What it throws while encrypting makes the file wait.
   */
  keyring(): KeyringNode | Promise<KeyringNode>;
}

interface RawKeyIdentity {
  /** Stands in every encrypted file, and finds the key for decrypting: never use it for another key. See `KeyProvider.id`. */
  readonly id: string;
}

/** A key of your own, in memory or in a file. */
export type RawKeyOptions = RawKeyIdentity &
  (
    | {
        /** 32 bytes, or their 64 hexadecimal digits or Base64. */
        readonly key: Uint8Array | string;
        readonly keyFile?: never;
      }
    | {
        readonly key?: never;
        /** Path of a file with 32 bytes, or with their 64 hexadecimal digits or Base64. Read at the first use, and kept. */
        readonly keyFile: string;
      }
  );

/** Part of the format: together with the key's id it stands in the header of every file. */
const NAMESPACE = "bucketline";
const KEY_BYTES = 32;
const ID = /^[A-Za-z0-9._:/@+=-]{1,256}$/;

/**
 * A 256-bit key of your own, from memory, an environment variable or a file (`openssl rand -out key 32`).
 * @throws InputError `INVALID_OPTION`; with `keyFile` not here but by `keyring()`
 */
export function rawKey(options: RawKeyOptions): KeyProvider {
  const id = checkedId(options.id);
  const { key, keyFile } = options;
  if ((key === undefined) === (keyFile === undefined)) invalid(id, "give either key or keyFile");
  if (key !== undefined) {
    const keyring = rawKeyring(id, typeof key === "string" ? Buffer.from(key) : key, typeof key === "string");
    return { id, keyring: () => keyring };
  }
  let kept: KeyringNode | undefined;
  return {
    id,
    keyring: async () => {
      kept ??= rawKeyring(id, await readFile(keyFile ?? ""), false);
      return kept;
    },
  };
}

/**
 * Any keyring of the AWS Encryption SDK, such as `KmsKeyringNode` of `@aws-crypto/kms-keyring-node`: envelope encryption, in which
 * the key never leaves the key service.
 * @throws InputError `INVALID_OPTION` if it is no keyring, or one of another copy of `@aws-crypto/material-management-node`
 */
export function keyringKey(options: { readonly id: string; readonly keyring: KeyringNode }): KeyProvider {
  const id = checkedId(options.id);
  const { keyring } = options;
  if (!(keyring instanceof KeyringNode))
    invalid(
      id,
      "keyring must be a KeyringNode of the copy of @aws-crypto/material-management-node that these steps use",
    );
  return { id, keyring: () => keyring };
}

/** One or several keys, of which the first encrypts. */
export type Keys = KeyProvider | readonly KeyProvider[];

/** @throws InputError `INVALID_OPTION` for an empty list */
export function keyList(keys: Keys): readonly [KeyProvider, ...KeyProvider[]] {
  const [first, ...others]: readonly KeyProvider[] = "keyring" in keys ? [keys] : keys;
  if (first === undefined) throw new InputError("INVALID_OPTION", "Option keys is empty; give at least one key.");
  for (const { id } of [first, ...others]) checkedId(id);
  return [first, ...others];
}

function rawKeyring(id: string, content: Uint8Array, isText: boolean): KeyringNode {
  const key =
    content.length === KEY_BYTES && !isText ? content : decoded(Buffer.from(content).toString("latin1").trim());
  if (key?.length !== KEY_BYTES) invalid(id, "the key must be 32 bytes, or their 64 hexadecimal digits or Base64");
  return new RawAesKeyringNode({
    keyName: id,
    keyNamespace: NAMESPACE,
    unencryptedMasterKey: Uint8Array.from(key),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    utf8Sorting: true,
  });
}

function decoded(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, "base64") : undefined;
}

function checkedId(id: unknown): string {
  if (typeof id === "string" && ID.test(id)) return id;
  throw new InputError("INVALID_OPTION", `A key's id must be 1 to 256 of A-Z, a-z, 0-9 and ._:/@+=-.`);
}

function invalid(id: string, rule: string): never {
  throw new InputError("INVALID_OPTION", `Key ${id}: ${rule}.`);
}
