import { ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";

/** What a bucket holds below a prefix. */
export interface Contents {
  readonly objects: number;
  readonly bytes: number;
  readonly firstKeys: readonly string[];
}

const FIRST = 5;

/** Asks S3, a thousand keys per request. */
export async function listContents(client: S3Client, bucket: string, prefix: string): Promise<Contents> {
  let objects = 0;
  let bytes = 0;
  const firstKeys: string[] = [];
  for (let token: string | undefined; ; ) {
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token });
    const page = await client.send(command);
    for (const { Key = "", Size = 0 } of page.Contents ?? []) {
      objects++;
      bytes += Size;
      if (firstKeys.length < FIRST) firstKeys.push(Key);
    }
    token = page.NextContinuationToken;
    if (token === undefined) return { objects, bytes, firstKeys };
  }
}
