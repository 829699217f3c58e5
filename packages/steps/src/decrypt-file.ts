import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError } from "@bucketline/core";
import { type DecryptOptions, decryptStream } from "./decrypt.ts";

/** What `decryptFile` needs. */
export interface DecryptFileOptions extends DecryptOptions {
  /** Replace a file that is there already. Default: false, it is left as it is. */
  readonly overwrite?: boolean;
}

/**
 * Decrypts a file, or the bytes of one, into a file of mode 0600. It appears under its name only when the last frame is authenticated
 * and its content is on the disk; until then it has a temporary name beside it, and after any error nothing is left.
 * @param from path of the encrypted file, or its bytes, such as the body of a GetObject
 * @param to path of the plaintext file; its folder must be there
 * @returns the bytes written
 * @throws as `decryptStream`; InputError `INVALID_OPTION` if `to` exists; errors of the file system
 */
export async function decryptFile(
  from: string | AsyncIterable<Uint8Array>,
  to: string,
  options: DecryptFileOptions,
): Promise<{ readonly bytes: number }> {
  const temporary = join(dirname(to), `.${basename(to).slice(0, 100)}.${randomUUID()}.partial`);
  const input = typeof from === "string" ? createReadStream(from) : from;
  try {
    const bytes = await write(temporary, decryptStream(input, options));
    if (options.overwrite === true) await rename(temporary, to);
    else await publish(temporary, to);
    return { bytes };
  } finally {
    await rm(temporary, { force: true });
  }
}

async function write(path: string, content: AsyncIterable<Uint8Array>): Promise<number> {
  const file = await open(path, "wx", 0o600);
  let bytes = 0;
  try {
    for await (const chunk of content) {
      await writeAll(file, chunk);
      bytes += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return bytes;
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

/** What file systems without hard links answer. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** A hard link, because unlike a rename it never replaces what is there; without links the name is taken first. */
async function publish(temporary: string, to: string): Promise<void> {
  try {
    await link(temporary, to).catch(async (error: NodeJS.ErrnoException) => {
      if (!NO_LINKS.has(error.code ?? "")) throw error;
      await (await open(to, "wx", 0o600)).close();
      await rename(temporary, to);
    });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new InputError("INVALID_OPTION", `${to} exists already; remove it, or ask for overwriting.`, { cause });
  }
}
