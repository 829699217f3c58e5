import type { S3Client } from "@aws-sdk/client-s3";

/** What the store's clock said, against ours. */
export interface ClockReading {
  /** Of the answer's Date header, which is cut to the second. Milliseconds since 1970. */
  readonly theirs: number;
  readonly sentAt: number;
  readonly receivedAt: number;
}

/** @returns a list that grows with every answer of the client */
export function watchDates(client: S3Client): readonly ClockReading[] {
  const readings: ClockReading[] = [];
  client.middlewareStack.add(
    (next) => async (args) => {
      const sentAt = Date.now();
      const result = await next(args);
      const { headers } = result.response as { readonly headers?: Readonly<Record<string, string>> };
      const theirs = Date.parse(headers?.date ?? "");
      if (!Number.isNaN(theirs)) readings.push({ theirs, sentAt, receivedAt: Date.now() });
      return result;
    },
    // Next to the wire: what comes before turns answers of errors into errors.
    { name: "bucketlineDates", step: "deserialize", priority: "low", override: true },
  );
  return readings;
}

/** How far the store's clock is ahead of ours, in milliseconds; 0 while it may be right. */
export function skewOf({ theirs, sentAt, receivedAt }: ClockReading): number {
  const earliest = theirs;
  const latest = theirs + 999;
  if (earliest > receivedAt) return earliest - receivedAt;
  return latest < sentAt ? latest - sentAt : 0;
}
