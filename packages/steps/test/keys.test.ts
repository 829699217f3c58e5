import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  EncryptedDataKey,
  KeyringNode,
  KeyringTraceFlag,
  type NodeDecryptionMaterial,
  type NodeEncryptionMaterial,
} from "@aws-crypto/material-management-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decryptStream, type EncryptionContext, encrypt, type Keys, keyringKey, rawKey } from "../src/index.ts";
import { collect, inChunks, run, stepFile } from "./support/rig.ts";

const plain = Buffer.from("attack at dawn");

async function encrypted(keys: Keys, context?: EncryptionContext): Promise<Buffer> {
  const step = encrypt({ keys, ...(context === undefined ? {} : { context }) });
  return (await run([step], inChunks(plain, []))).bytes;
}

async function decrypted(bytes: Uint8Array, keys: Keys, context: EncryptionContext = {}): Promise<string> {
  return (await collect(decryptStream(inChunks(bytes, []), { keys, context }))).toString();
}

/** A key service as KMS is one: it makes data keys, hands them out wrapped and plain, and binds them to the context. */
class KeyService {
  readonly #master = randomBytes(32);
  readonly contexts: string[] = [];
  down = false;

  wrap(dataKey: Uint8Array, context: string): Buffer {
    if (this.down) throw new Error("connect ECONNREFUSED");
    this.contexts.push(context);
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.#master, iv).setAAD(Buffer.from(context));
    return Buffer.concat([iv, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
  }

  unwrap(wrapped: Uint8Array, context: string): Uint8Array {
    if (this.down) throw new Error("connect ECONNREFUSED");
    const decipher = createDecipheriv("aes-256-gcm", this.#master, wrapped.subarray(0, 12));
    decipher.setAAD(Buffer.from(context)).setAuthTag(wrapped.subarray(-16));
    // The SDK wants a buffer that shares its memory with nobody.
    return Uint8Array.from([...decipher.update(wrapped.subarray(12, -16)), ...decipher.final()]);
  }
}

class ServiceKeyring extends KeyringNode {
  readonly #service: KeyService;

  constructor(service: KeyService) {
    super();
    this.#service = service;
  }

  async _onEncrypt(material: NodeEncryptionMaterial): Promise<NodeEncryptionMaterial> {
    const dataKey = randomBytes(material.suite.keyLengthBytes);
    const encryptedDataKey = this.#service.wrap(dataKey, JSON.stringify(material.encryptionContext));
    const trace = { keyNamespace: "service", keyName: "arn:1" };
    material.setUnencryptedDataKey(dataKey, { ...trace, flags: KeyringTraceFlag.WRAPPING_KEY_GENERATED_DATA_KEY });
    const wrapped = new EncryptedDataKey({ providerId: "service", providerInfo: "arn:1", encryptedDataKey });
    return material.addEncryptedDataKey(wrapped, KeyringTraceFlag.WRAPPING_KEY_ENCRYPTED_DATA_KEY);
  }

  async _onDecrypt(material: NodeDecryptionMaterial, keys: EncryptedDataKey[]): Promise<NodeDecryptionMaterial> {
    const ours = keys.find(({ providerId }) => providerId === "service");
    if (ours === undefined) return material;
    const dataKey = this.#service.unwrap(ours.encryptedDataKey, JSON.stringify(material.encryptionContext));
    const flags = KeyringTraceFlag.WRAPPING_KEY_DECRYPTED_DATA_KEY;
    return material.setUnencryptedDataKey(dataKey, { keyNamespace: "service", keyName: "arn:1", flags });
  }
}

describe("rawKey", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "bucketline-keys-"));
  });

  afterAll(() => rm(folder, { recursive: true }));

  it("takes the same key in every form", async () => {
    const bytes = randomBytes(32);
    const file = join(folder, "key");
    const forms = [bytes, bytes.toString("hex"), bytes.toString("base64"), bytes.toString("base64url")];
    const message = await encrypted(rawKey({ id: "k", key: bytes }));
    for (const key of forms) expect(await decrypted(message, rawKey({ id: "k", key }))).toBe(plain.toString());
    for (const content of [bytes, `${bytes.toString("hex")}\n`, `${bytes.toString("base64")}\r\n`]) {
      await writeFile(file, content);
      expect(await decrypted(message, rawKey({ id: "k", keyFile: file }))).toBe(plain.toString());
    }
  });

  it("refuses what is no key, without telling it", () => {
    for (const key of [randomBytes(16), "hunter2", "", "a".repeat(32), new Uint8Array()]) {
      const make = () => rawKey({ id: "k", key });
      expect(make).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
      expect(make).not.toThrow(/hunter2|aaaa/);
    }
    const noId = expect.objectContaining({ code: "INVALID_OPTION" });
    for (const id of ["", "ä", "a b", "x".repeat(257)])
      expect(() => rawKey({ id, key: randomBytes(32) })).toThrow(noId);
  });

  it("lets files wait for a key file that is not there or no key, and then takes it", async () => {
    const keyFile = join(folder, "later");
    const step = encrypt({ keys: rawKey({ id: "k", keyFile }) });
    const missing = step.transform(stepFile());
    await expect(missing).rejects.toMatchObject({
      code: "STEP_UNAVAILABLE",
      // The pipeline puts the step's name before it.
      message: expect.stringMatching(/^key k cannot be used at the moment: /),
    });
    await writeFile(keyFile, "too short");
    await expect(step.transform(stepFile())).rejects.toMatchObject({ code: "STEP_UNAVAILABLE" });
    const key = randomBytes(32);
    await writeFile(keyFile, key);
    const { bytes } = await run([step], inChunks(plain, []));
    expect(await decrypted(bytes, rawKey({ id: "k", key }))).toBe(plain.toString());
  });
});

describe("several keys", () => {
  const old = rawKey({ id: "k", key: randomBytes(32) });
  const current = rawKey({ id: "k-2", key: randomBytes(32) });

  it("encrypt with the first and decrypt with any", async () => {
    const before = await encrypted(old);
    const after = await encrypted([current, old]);
    for (const message of [before, after]) {
      expect(await decrypted(message, [current, old])).toBe(plain.toString());
      expect(await decrypted(message, [old, current])).toBe(plain.toString());
    }
    await expect(decrypted(after, old)).rejects.toMatchObject({ code: "DECRYPT_KEY_UNKNOWN" });
  });

  it("name the key that is missing", async () => {
    const refused = decrypted(await encrypted(current), [old, rawKey({ id: "other", key: randomBytes(32) })]);
    const message = expect.stringMatching(/\(k, other\) opens the file, which names k-2\./);
    await expect(refused).rejects.toMatchObject({ code: "DECRYPT_KEY_UNKNOWN", message });
  });

  it("must be at least one", () => {
    expect(() => encrypt({ keys: [] })).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });
});

describe("the encryption context", () => {
  const key = rawKey({ id: "k", key: randomBytes(32) });

  it("is asked for only when the reader wants it", async () => {
    const message = await encrypted(key, { tenant: "a", zone: "€𝄞" });
    expect(await decrypted(message, key)).toBe(plain.toString());
    expect(await decrypted(message, key, { tenant: "a" })).toBe(plain.toString());
    expect(await decrypted(message, key, { zone: "€𝄞" })).toBe(plain.toString());
    for (const context of [{ tenant: "b" }, { other: "a" }])
      await expect(decrypted(message, key, context)).rejects.toMatchObject({ code: "DECRYPT_CONTEXT" });
  });

  it("can be made of the file", async () => {
    const step = encrypt({ keys: key, context: ({ path }) => ({ path }) });
    const { bytes } = await run([step], inChunks(plain, []), stepFile({ path: "a/b.txt" }));
    expect(await decrypted(bytes, key, { path: "a/b.txt" })).toBe(plain.toString());
  });

  it("cannot take the names of the format", async () => {
    const context = { "aws-crypto-public-key": "x" };
    const refused = expect.objectContaining({ code: "INVALID_PIPELINE" });
    expect(() => encrypt({ keys: key, context })).toThrow(refused);
    await expect(encrypt({ keys: key, context: () => context }).transform(stepFile())).rejects.toEqual(refused);
  });
});

describe("keyringKey", () => {
  it("wraps data keys with a key service, and binds them to the context", async () => {
    const service = new KeyService();
    const key = keyringKey({ id: "service-key", keyring: new ServiceKeyring(service) });
    const message = await encrypted(key, { tenant: "a" });
    expect(service.contexts).toEqual(['{"tenant":"a"}']);
    expect(await decrypted(message, key)).toBe(plain.toString());
    const stranger = keyringKey({ id: "service-key", keyring: new ServiceKeyring(new KeyService()) });
    const message2 = expect.stringContaining("names arn:1");
    await expect(decrypted(message, stranger)).rejects.toMatchObject({
      code: "DECRYPT_KEY_UNKNOWN",
      message: message2,
    });
  });

  it("stands beside raw keys", async () => {
    const keys = [
      rawKey({ id: "k", key: randomBytes(32) }),
      keyringKey({ id: "s", keyring: new ServiceKeyring(new KeyService()) }),
    ] as const;
    expect(await decrypted(await encrypted(keys[1]), keys)).toBe(plain.toString());
    expect(await decrypted(await encrypted(keys[0]), [keys[1], keys[0]])).toBe(plain.toString());
  });

  it("does not wait for a key service longer than the attempt lasts", async () => {
    const never = { id: "s", keyring: () => new Promise<KeyringNode>(() => undefined) };
    const controller = new AbortController();
    const waiting = encrypt({ keys: never }).transform(stepFile({ signal: controller.signal }));
    const reason = new Error("stopped");
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    const late = encrypt({ keys: never }).transform(stepFile({ signal: controller.signal }));
    await expect(late).rejects.toBe(reason);
  });

  it("lets files wait while the key service is down", async () => {
    const service = new KeyService();
    const step = encrypt({ keys: keyringKey({ id: "s", keyring: new ServiceKeyring(service) }) });
    service.down = true;
    const waiting = step.transform(stepFile());
    await expect(waiting).rejects.toMatchObject({
      code: "STEP_UNAVAILABLE",
      message: expect.stringContaining("ECONNREFUSED"),
    });
    service.down = false;
    const { bytes } = await run([step], inChunks(plain, []));
    service.down = true;
    const refused = decrypted(bytes, keyringKey({ id: "s", keyring: new ServiceKeyring(service) }));
    const message = expect.stringContaining("connect ECONNREFUSED");
    await expect(refused).rejects.toMatchObject({ code: "DECRYPT_KEY_UNKNOWN", message });
  });
});
