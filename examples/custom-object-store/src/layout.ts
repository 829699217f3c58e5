import { createHash } from "node:crypto";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectSettings } from "@bucketline/core";
import { type BodyFacts, readEntry } from "./entry.ts";
import { codeOf } from "./refusals.ts";

export interface StoredObject extends BodyFacts {
  readonly key: string;
  readonly token: string;
  readonly settings: ObjectSettings;
}

export interface BegunMultipart {
  readonly key: string;
  readonly token: string;
  readonly settings: ObjectSettings;
  /** Milliseconds since 1970. */
  readonly initiatedAt: number;
}

/** Where a bucket keeps what. Keys may be anything, names of files may not: an object's name is the SHA-256 of its key. */
export class BucketLayout {
  readonly objects: string;
  readonly multiparts: string;
  /** What is not finished; may be emptied while nobody writes. */
  readonly scratch: string;

  constructor(root: string, bucket: string) {
    const home = join(root, bucket);
    this.objects = join(home, "objects");
    this.multiparts = join(home, "multiparts");
    this.scratch = join(home, "scratch");
  }

  async create(): Promise<void> {
    for (const folder of [this.objects, this.multiparts, this.scratch]) await mkdir(folder, { recursive: true });
  }

  async exists(): Promise<boolean> {
    try {
      return (await stat(this.scratch)).isDirectory();
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return false;
      throw error;
    }
  }

  object(key: string): string {
    return join(this.objects, createHash("sha256").update(key).digest("hex"));
  }

  multipart(id: string): string {
    return join(this.multiparts, id);
  }

  begin(id: string): string {
    return join(this.multipart(id), "begin");
  }

  part(id: string, partNumber: number): string {
    return join(this.multipart(id), `${partNumber}`);
  }

  /** @returns undefined when it is not known (any more) */
  async begun(id: string, key: string): Promise<BegunMultipart | undefined> {
    // Ids are ours; anything else could lead out of the folder.
    if (!/^[0-9a-f-]{36}$/.test(id)) return undefined;
    const facts = (await readEntry<BegunMultipart>(this.begin(id)))?.facts;
    return facts?.key === key ? facts : undefined;
  }

  async objectsBelow(prefix: string): Promise<StoredObject[]> {
    return await below(this.objects, prefix, async (name) => {
      return (await readEntry<StoredObject>(join(this.objects, name)))?.facts;
    });
  }

  async multipartsBelow(prefix: string): Promise<(BegunMultipart & { readonly multipartId: string })[]> {
    return await below(this.multiparts, prefix, async (multipartId) => {
      const facts = (await readEntry<BegunMultipart>(this.begin(multipartId)))?.facts;
      return facts && { ...facts, multipartId };
    });
  }
}

/** In the order of the bytes of the keys. What goes away meanwhile is left out. */
async function below<Found extends { readonly key: string }>(
  folder: string,
  prefix: string,
  read: (name: string) => Promise<Found | undefined>,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await readdir(folder)) {
    const facts = await read(name);
    if (facts?.key.startsWith(prefix)) found.push(facts);
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}
