import { createHash, randomBytes, randomUUID } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type KeyProvider, rawKey } from "@bucketline/steps";

const KEY_BYTES = 32;

/**
 * The key in this file; at the first start one is made, readable by its owner only. It appears whole or not at all, and never takes
 * the place of another.
 * @throws InputError when the file does not hold a key
 */
export async function openKey(path: string): Promise<KeyProvider> {
  const key = await readFile(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    await makeKey(path);
    return await readFile(path);
  });
  // The id follows from the key: no id is ever used for two keys.
  const id = `ingest-${createHash("sha256").update(key).digest("hex").slice(0, 8)}`;
  return rawKey({ id, key });
}

async function makeKey(path: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeDurably(temporary, randomBytes(KEY_BYTES));
    await link(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await sync(dirname(path));
}

async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o400);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}
