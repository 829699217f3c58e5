import { printable } from "../../output/printable.ts";
import { type Check, type Discovery, type Finding, ok, problem, reasonOf, skipped, warning } from "../finding.ts";
import { checksumCheck } from "./checksums.ts";
import { cleanUp, removeLeftovers } from "./clean-up.ts";
import { clockCheck } from "./clock.ts";
import { conditionCheck } from "./conditions.ts";
import { deleteCheck } from "./deletes.ts";
import { guardCheck } from "./guards.ts";
import { keyCheck } from "./keys.ts";
import { listingCheck } from "./listing.ts";
import { metadataCheck } from "./metadata.ts";
import { multipartCheck } from "./multipart.ts";
import { putCheck } from "./put.ts";
import { reachCheck } from "./reach.ts";
import { refusalOf, showRefusal } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

/** In an order in which each may build on what those before have found. */
const WRITING: readonly Check<BucketSession>[] = [
  checksumCheck,
  metadataCheck,
  conditionCheck,
  multipartCheck,
  guardCheck,
  listingCheck,
  deleteCheck,
  keyCheck,
];

export interface BucketReport {
  /** Whether every check ran to its end: only then is there a profile. */
  readonly isWhole: boolean;
}

/**
 * Examines the bucket and removes what that has left there.
 * @param tell gets each finding as it is made
 * @param warn gets what is left behind by an examination that was interrupted
 */
export async function examineBucket(
  session: BucketSession,
  tell: (finding: Finding) => void,
  warn: (text: string) => void,
): Promise<BucketReport> {
  const reach = await runOne(reachCheck, session, tell);
  await runOne(clockCheck, session, tell);
  if (reach.some(({ isOutOfReach }) => isOutOfReach)) return { isWhole: false };
  if (session.examination.isQuick) {
    tell({ check: "put", ...skipped("Nothing may be written, so nothing more was tried.") });
    return { isWhole: false };
  }
  try {
    return { isWhole: await runWriting(session, tell) };
  } finally {
    await tidyUp(session, tell, warn);
  }
}

async function runWriting(session: BucketSession, tell: (finding: Finding) => void): Promise<boolean> {
  await runOne(putCheck, session, tell);
  if (!session.capabilities.get("put") || !session.capabilities.get("delete")) return false;
  let isWhole = true;
  for (const check of WRITING)
    isWhole = (await runOne(check, session, tell)).every(({ isBroken }) => !isBroken) && isWhole;
  return isWhole;
}

type Outcome = Discovery & { readonly isBroken?: boolean };

async function runOne(
  { name, run }: Check<BucketSession>,
  session: BucketSession,
  tell: (finding: Finding) => void,
): Promise<readonly Outcome[]> {
  let found: readonly Outcome[];
  try {
    found = await run(session);
  } catch (error) {
    session.examination.signal.throwIfAborted();
    session.examination.cut.throwIfAborted();
    const refusal = refusalOf(error);
    const why = refusal ? showRefusal(refusal) : printable(reasonOf(error));
    const remedy = "Run it again; if it stays so, look at the network and at the store's own log.";
    found = [{ ...problem(`This could not be checked: ${why}`, remedy), isBroken: true }];
  }
  for (const { isBroken, ...discovery } of found) tell({ check: name, ...discovery });
  return found;
}

async function tidyUp(
  session: BucketSession,
  tell: (finding: Finding) => void,
  warn: (text: string) => void,
): Promise<void> {
  const { cut, signal } = session.examination;
  const place = `s3://${printable(`${session.bucket}/${session.prefix}`)}`;
  const left = cut.aborted ? -1 : await cleanUp(session).catch(() => -1);
  const message = `What was put below ${place} could not be removed altogether.`;
  if (signal.aborted) {
    if (left !== 0) warn(`${message} The next run removes what is a day old.`);
    return;
  }
  if (left === 0) {
    await removeLeftovers(session).catch(() => {});
    tell({ check: "tidy up", ...ok("Nothing is left in the bucket.") });
    return;
  }
  const remedy =
    "Remove it by hand; the next run removes what is a day old. Grant s3:DeleteObject and s3:AbortMultipartUpload.";
  tell({ check: "tidy up", ...warning(message, remedy, { prefix: session.prefix }) });
}
