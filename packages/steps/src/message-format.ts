import { DecryptionError } from "./decryption-error.ts";

/*
 * The shape of a message of the AWS Encryption SDK, as far as it can be seen without the key. Format:
 * https://docs.aws.amazon.com/encryption-sdk/latest/developer-guide/message-format.html
 * The SDK authenticates; its decrypting stream (5.0.2), however, keeps whatever follows the last frame in memory and overlooks it,
 * believes every frame length, and tells a message that is cut off or out of order at times only by closing. So nothing
 * reaches it that is not in shape.
 */

/** What the header says before it is authenticated. */
interface MessageHead {
  readonly bytes: number;
  readonly frameBytes: number;
  readonly keyNames: readonly string[];
}

const VERSION = 2;
const SUITE_ID = 0x0478;
const FRAMED = 2;
const FINAL_FRAME = 0xffff_ffff;
const MESSAGE_ID_BYTES = 32;
const COMMITMENT_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Of a regular frame: number and IV; of the last one: marker, number, IV and length. */
const FRAME_HEAD = 4 + IV_BYTES;
const FINAL_FRAME_HEAD = 4 + 4 + IV_BYTES + 4;
/** A header with 16 wrapped keys and a long context is far smaller. */
const LONGEST_HEAD = 256 * 1024;
/** A frame is kept in memory until it is authenticated. */
const LARGEST_FRAME = 64 * 1024 * 1024;
/** A raw keyring appends tag length, IV length and IV to the name of its key. */
const RAW_NAMESPACE = "bucketline";
const RAW_INFO_BYTES = 4 + 4 + IV_BYTES;

/**
 * Passes a message through: its header as one chunk, then the rest, as long as it has the right shape.
 * @param onKeyNames told the names of the keys that wrapped the data key, as the header says, before the header is passed
 * @throws DecryptionError `DECRYPT_NOT_ENCRYPTED`, `DECRYPT_TRUNCATED` or `DECRYPT_DAMAGED`
 */
export async function* shaped(
  input: AsyncIterable<Uint8Array>,
  onKeyNames: (names: readonly string[]) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let head: Buffer = Buffer.alloc(0);
  let frames: Frames | undefined;
  for await (const chunk of input) {
    if (frames !== undefined) {
      frames.take(chunk);
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const found = messageHead(head);
    if (found === undefined && head.length > LONGEST_HEAD)
      throw damaged(`its header is longer than ${LONGEST_HEAD} bytes`);
    if (found === undefined) continue;
    onKeyNames(found.keyNames);
    frames = new Frames(found.frameBytes);
    yield head.subarray(0, found.bytes);
    const rest = head.subarray(found.bytes);
    frames.take(rest);
    if (rest.length > 0) yield rest;
  }
  if (frames === undefined) {
    if (head.length === 0) throw notEncrypted("it is empty");
    throw truncated("inside its header");
  }
  frames.end();
}

/** Follows the frames by their lengths and numbers. */
class Frames {
  readonly #frameBytes: number;
  #head: Buffer = Buffer.alloc(0);
  /** Bytes of content and tag of the current frame that are still to come. */
  #left = 0;
  #number = 0;
  #final = false;

  constructor(frameBytes: number) {
    this.#frameBytes = frameBytes;
  }

  take(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at);
        this.#left -= step;
        at += step;
      } else if (this.#final) {
        throw damaged("something follows its end");
      } else {
        at += this.#takeHead(chunk.subarray(at));
      }
    }
  }

  end(): void {
    if (!this.#final) throw truncated(`after frame ${this.#number}`);
    if (this.#left > 0) throw truncated("inside its last frame");
  }

  #takeHead(bytes: Uint8Array): number {
    const known = this.#head.length;
    this.#head = Buffer.concat([this.#head, bytes.subarray(0, this.#headBytes() - known)]);
    const taken = this.#head.length - known;
    if (this.#head.length === this.#headBytes()) this.#begin();
    return taken;
  }

  #headBytes(): number {
    if (this.#head.length < 4) return 4;
    return this.#head.readUInt32BE(0) === FINAL_FRAME ? FINAL_FRAME_HEAD : FRAME_HEAD;
  }

  #begin(): void {
    if (this.#head.length === 4) return;
    const final = this.#head.readUInt32BE(0) === FINAL_FRAME;
    const number = this.#head.readUInt32BE(final ? 4 : 0);
    const length = final ? this.#head.readUInt32BE(FINAL_FRAME_HEAD - 4) : this.#frameBytes;
    this.#number += 1;
    if (number !== this.#number) throw damaged(`frame ${number} stands where frame ${this.#number} should be`);
    if (length > this.#frameBytes) throw damaged("its last frame is too long");
    this.#left = length + TAG_BYTES;
    this.#final = final;
    this.#head = Buffer.alloc(0);
  }
}

/** Undefined while bytes are missing. */
function messageHead(bytes: Buffer): MessageHead | undefined {
  if (bytes.length >= 1 && bytes[0] !== VERSION) throw notEncrypted("it does not begin as one");
  if (bytes.length >= 3 && bytes.readUInt16BE(1) !== SUITE_ID)
    throw notEncrypted(`its algorithm suite is ${bytes.readUInt16BE(1).toString(16)}, not ${SUITE_ID.toString(16)}`);
  const fields = new Fields(bytes, 3 + MESSAGE_ID_BYTES);
  try {
    fields.skip(fields.uint16());
    const keyNames = Array.from({ length: fields.uint16() }, () => {
      const namespace = fields.take(fields.uint16()).toString("utf8");
      const info = fields.take(fields.uint16());
      fields.skip(fields.uint16());
      return info.subarray(0, namespace === RAW_NAMESPACE ? -RAW_INFO_BYTES : info.length).toString("utf8");
    });
    const contentType = fields.uint8();
    const frameBytes = fields.uint32();
    fields.skip(COMMITMENT_BYTES + TAG_BYTES);
    if (contentType !== FRAMED) throw damaged("it is not in frames");
    if (frameBytes === 0 || frameBytes > LARGEST_FRAME) throw damaged(`its frames are ${frameBytes} bytes long`);
    return { bytes: fields.at, frameBytes, keyNames };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Reads one field after the other; RangeError when they end too early. */
class Fields {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  take(length: number): Buffer {
    if (this.at + length > this.#bytes.length) throw new RangeError("The header goes on.");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  skip(length: number): void {
    this.take(length);
  }

  uint8(): number {
    return this.take(1).readUInt8(0);
  }

  uint16(): number {
    return this.take(2).readUInt16BE(0);
  }

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }
}

function notEncrypted(why: string): DecryptionError {
  return new DecryptionError("DECRYPT_NOT_ENCRYPTED", `This is no file that the step encrypt has made: ${why}.`);
}

function truncated(where: string): DecryptionError {
  return new DecryptionError("DECRYPT_TRUNCATED", `The encrypted file is cut off ${where}. Fetch it again.`);
}

function damaged(why: string): DecryptionError {
  return new DecryptionError("DECRYPT_DAMAGED", `The encrypted file is damaged or was altered: ${why}.`);
}
