import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
} from "@aws-sdk/client-s3";
import { skewOf } from "./dates.ts";
import { refusalOf } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

const DAY_MS = 86_400_000;

/**
 * Removes all that this session may have made: what it remembers, and what a listing shows besides. Works after an
 * interruption as well, until the second one.
 * @returns how much is left
 */
export async function cleanUp(session: BucketSession): Promise<number> {
  const { prefix } = session;
  const listed = [...(await everyObject(session, prefix)), ...(await everyMultipart(session, prefix))];
  const objects = new Set(session.objects);
  const multiparts = new Map(session.multiparts);
  for (const { key, multipartId } of listed) {
    if (multipartId === undefined) objects.add(key);
    else multiparts.set(multipartId, key);
  }
  // Multipart uploads first: one that is being completed would make an object.
  let left = await each(multiparts, ([id, key]) => abort(session, key, id));
  left += await each(objects, (key) => remove(session, key));
  return left;
}

/** Removes what earlier examinations, which were killed, have left. Others may be at work: only what is a day old goes. */
export async function removeLeftovers(session: BucketSession): Promise<void> {
  const { scratchFolder: folder, clock } = session;
  const reading = clock.at(-1);
  const before = Date.now() + (reading ? skewOf(reading) : 0) - DAY_MS;
  const isOld = ({ madeAt }: Found) => madeAt !== undefined && madeAt < before;
  const old = [...(await everyMultipart(session, folder)), ...(await everyObject(session, folder))].filter(isOld);
  await each(old, ({ key, multipartId }) =>
    multipartId === undefined ? remove(session, key) : abort(session, key, multipartId),
  );
}

interface Found {
  readonly key: string;
  readonly madeAt: number | undefined;
  /** Of a multipart upload; undefined for an object. */
  readonly multipartId?: string;
}

/** Who may not list has only what is remembered. */
async function everyObject({ client, bucket, lastOptions }: BucketSession, prefix: string): Promise<Found[]> {
  const found: Found[] = [];
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token });
    const page: ListObjectsV2CommandOutput | undefined = await client.send(command, lastOptions()).catch(noneIfRefused);
    for (const { Key, LastModified } of page?.Contents ?? [])
      if (Key?.startsWith(prefix)) found.push({ key: Key, madeAt: LastModified?.getTime() });
    token = page?.IsTruncated && page.NextContinuationToken !== token ? page.NextContinuationToken : undefined;
  } while (token);
  return found;
}

async function everyMultipart({ client, bucket, lastOptions }: BucketSession, prefix: string): Promise<Found[]> {
  const found: Found[] = [];
  let next: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {};
  while (next) {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: prefix,
      ...next,
    });
    const page: ListMultipartUploadsCommandOutput | undefined = await client
      .send(command, lastOptions())
      .catch(noneIfRefused);
    for (const { Key, UploadId, Initiated } of page?.Uploads ?? [])
      if (Key?.startsWith(prefix) && UploadId)
        found.push({ key: Key, multipartId: UploadId, madeAt: Initiated?.getTime() });
    const after: typeof next = { KeyMarker: page?.NextKeyMarker, UploadIdMarker: page?.NextUploadIdMarker };
    next = page?.IsTruncated && JSON.stringify(after) !== JSON.stringify(next) ? after : undefined;
  }
  return found;
}

function noneIfRefused(error: unknown): undefined {
  if (refusalOf(error) === undefined) throw error;
}

async function remove({ client, bucket, lastOptions }: BucketSession, key: string): Promise<void> {
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), lastOptions());
}

async function abort({ client, bucket, lastOptions }: BucketSession, key: string, id: string): Promise<void> {
  try {
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: id }), lastOptions());
  } catch (error) {
    // It was completed or aborted already.
    if (refusalOf(error)?.status !== 404) throw error;
  }
}

/** One that fails keeps no other from being done. @returns how many failed */
async function each<T>(things: Iterable<T>, work: (thing: T) => Promise<void>): Promise<number> {
  let failed = 0;
  for (const thing of things) await work(thing).catch(() => failed++);
  return failed;
}
