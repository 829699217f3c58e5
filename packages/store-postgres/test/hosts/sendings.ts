import type { Request } from "./bucket.ts";

export const KINDS = ["SIGKILL", "SIGSTOP", "cut", "stall"] as const;
export type Kind = (typeof KINDS)[number];

/** Something that befell one run of a host. */
export interface Blow {
  readonly kind: Kind;
  readonly sender: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What the bucket was sent. */
export interface Sendings {
  /** Files and parts stored, or multipart uploads begun or thrown away, a second time without a blow that explains it. */
  readonly needless: readonly string[];
  /** Files and parts stored a second time because of a blow. */
  readonly excused: readonly string[];
  /** Multipart uploads that another run than their first one went on with. */
  readonly takenOver: number;
  /** Parts that were stored before the takeover and not sent again. */
  readonly partsKept: number;
  /** Files stored, by host. */
  readonly byHost: ReadonlyMap<string, number>;
}

interface Finished extends Request {
  readonly arrivedAt: number;
  readonly finishedAt: number;
}

/** @param blows in order */
export function readSendings(requests: readonly Request[], blows: readonly Blow[]): Sendings {
  const finished = requests
    .filter(({ committed, outcome }) => committed && outcome !== undefined)
    .map((request) => ({ ...request, arrivedAt: Date.parse(request.startedAt), finishedAt: end(request) }));
  const questions = requests.filter(({ operation }) => operation === "HeadObject" || operation === "ListParts");
  const { needless, excused } = judgeRepeats(finished, questions, blows);
  return {
    needless: [...needless, ...thrownAway(finished, blows)],
    excused,
    ...takeovers(finished),
    byHost: storedByHost(finished),
  };
}

function end({ startedAt, durationMs = 0 }: Request): number {
  return Date.parse(startedAt) + durationMs;
}

function judgeRepeats(finished: readonly Finished[], questions: readonly Request[], blows: readonly Blow[]) {
  const first = new Map<string, Finished>();
  const needless: string[] = [];
  const excused: string[] = [];
  for (const request of finished.toSorted((a, b) => a.finishedAt - b.finishedAt)) {
    const name = thing(request);
    if (name === undefined) continue;
    const earlier = first.get(name);
    if (!earlier) {
      first.set(name, request);
      continue;
    }
    // Whoever was struck may have had it on its way, and it arrived when the other had already asked, or sent it.
    const struck = blows.some(
      ({ sender, at }) => (sender === earlier.sender || sender === request.sender) && at <= request.finishedAt,
    );
    const known = asked(questions, request)?.some((question) => Date.parse(question.startedAt) > earlier.finishedAt);
    (struck && !known ? excused : needless).push(`${name} by ${earlier.sender}, ${request.sender}`);
  }
  return { needless, excused };
}

function thing({ operation, key, uploadId, partNumber }: Request): string | undefined {
  if (operation === "PutObject" || operation === "CompleteMultipartUpload") return `${operation} ${key}`;
  return operation === "UploadPart" ? `part ${partNumber} of ${key} in ${uploadId}` : undefined;
}

/** How the sender asked, before it sent, whether that is there already. */
function asked(questions: readonly Request[], { operation, key, uploadId, sender, n }: Request): readonly Request[] {
  const wanted = operation === "UploadPart" ? "ListParts" : "HeadObject";
  return questions.filter(
    (question) =>
      question.operation === wanted &&
      question.sender === sender &&
      question.key === key &&
      question.n < n &&
      (wanted === "HeadObject" || question.uploadId === uploadId),
  );
}

/** Multipart uploads that had parts and were aborted; and ones begun anew although nothing befell who had begun before. */
function thrownAway(finished: readonly Finished[], blows: readonly Blow[]): string[] {
  const filled = new Set(finished.filter(({ operation }) => operation === "UploadPart").map((part) => part.uploadId));
  const aborted = finished.filter((r) => r.operation === "AbortMultipartUpload" && filled.has(r.uploadId));
  const begun = new Map<string, Finished>();
  const again: Finished[] = [];
  for (const request of finished) {
    if (request.operation !== "CreateMultipartUpload") continue;
    const earlier = begun.get(request.key ?? "");
    const struck = blows.some(({ sender, at }) => sender === earlier?.sender && at <= request.finishedAt);
    if (earlier && !struck) again.push(request);
    begun.set(request.key ?? "", request);
  }
  return [
    ...aborted.map(({ key, sender }) => `${key}: parts thrown away by ${sender}`),
    ...again.map(({ key, sender }) => `${key}: begun again by ${sender}`),
  ];
}

function takeovers(finished: readonly Finished[]): { takenOver: number; partsKept: number } {
  const uploads = new Map<string, Finished[]>();
  for (const request of finished) {
    if (request.operation !== "UploadPart") continue;
    const { uploadId = "" } = request;
    uploads.set(uploadId, [...(uploads.get(uploadId) ?? []), request]);
  }
  let takenOver = 0;
  let partsKept = 0;
  for (const parts of uploads.values()) {
    const first = parts[0]?.sender;
    const heir = parts.find(({ sender }) => sender !== first);
    if (!heir) continue;
    takenOver++;
    const sentByFirst = new Set(parts.filter(({ sender }) => sender === first).map(({ partNumber }) => partNumber));
    for (const { sender, partNumber } of parts) if (sender !== first) sentByFirst.delete(partNumber);
    partsKept += sentByFirst.size;
  }
  return { takenOver, partsKept };
}

function storedByHost(finished: readonly Finished[]): Map<string, number> {
  const byHost = new Map<string, number>();
  for (const { operation, sender } of finished) {
    if (operation !== "PutObject" && operation !== "CompleteMultipartUpload") continue;
    const host = sender.split(".")[0] ?? "";
    byHost.set(host, (byHost.get(host) ?? 0) + 1);
  }
  return byHost;
}
