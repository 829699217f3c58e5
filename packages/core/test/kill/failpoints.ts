import type { FileChange, ObjectStore, SourceRoot, StateStore, UploadRecord } from "@bucketline/core";

export type Phase = "before" | "after";

/**
 * What has to happen in the folder for the engine to come by. `small`, `large`: a file of that kind is new or other than
 * it was · `new`: a file that was never there · `disturbed`: a large file changes while its parts are on their way ·
 * `calm`: the folder rests until the upload is COMPLETED, and only then changes.
 */
export type Need = "small" | "large" | "new" | "disturbed" | "calm";

/** One kind of call of the engine's ports. */
export interface Point {
  readonly name: string;
  readonly port: "state" | "objects" | "root";
  readonly method: string;
  readonly needs: Need;
  /** Whether a call is of this kind, by its arguments. */
  readonly isThis: (...args: unknown[]) => boolean;
  /** Whether its answer makes it one, for a kill after it. */
  readonly isWorth: (answer: unknown) => boolean;
}

export interface Failpoint {
  /** Phase and point, such as `before record part`. */
  readonly name: string;
  readonly phase: Phase;
  readonly point: Point;
}

type MethodName<T> = { [K in keyof T]: T[K] extends (...args: never[]) => unknown ? K : never }[keyof T] & string;
type Arguments<F> = F extends (...args: infer A) => unknown ? A : never;
type Answer<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;
interface Condition<F> {
  readonly when?: (...args: Arguments<F>) => boolean;
  readonly answered?: (answer: Answer<F>) => boolean;
}

function pointsOf<T>(port: Point["port"]) {
  return <M extends MethodName<T>>(name: string, method: M, needs: Need, condition: Condition<T[M]> = {}): Point => {
    const { when, answered } = condition;
    return {
      name,
      port,
      method,
      needs,
      isThis: (...args) => when?.(...(args as Arguments<T[M]>)) ?? true,
      isWorth: (answer) => answered?.(answer as Answer<T[M]>) ?? true,
    };
  };
}

const inState = pointsOf<StateStore>("state");
const inBucket = pointsOf<ObjectStore>("objects");
const inFolder = pointsOf<SourceRoot>("root");

/** A commit of the ledger with a change like this among those it holds. */
function commit(name: string, needs: Need, isIt: (change: FileChange) => boolean): Point {
  return inState(name, "commit", needs, { when: (changes) => changes.some(isIt) });
}

function uploadChange(name: string, isIt: (before: UploadRecord, after: UploadRecord) => boolean = () => true): Point {
  return inState(name, "updateUpload", "calm", { when: isIt });
}

const some = (items: readonly unknown[]) => items.length > 0;

const POINTS: readonly Point[] = [
  inState("claim", "claim", "small", { answered: some }),
  inFolder("open", "open", "small"),
  inBucket("create multipart", "createMultipart", "large"),
  commit("record multipart", "large", ({ before, after }) => {
    return before?.transfer?.multipartId === null && typeof after.transfer?.multipartId === "string";
  }),
  inBucket("send part", "uploadPart", "large"),
  commit("record part", "large", ({ parts = [] }) => parts.length > 0),
  inBucket("complete", "completeMultipart", "large"),
  inBucket("verify", "headObject", "large"),
  inBucket("put", "putObject", "small"),
  commit("record uploaded", "small", ({ before, after }) => {
    return before?.state === "IN_PROGRESS" && after.state === "UPLOADED";
  }),
  commit("insert", "new", ({ before }) => before === null),
  commit("record change", "small", ({ before, after }) => before?.state === "UPLOADED" && after.state === "PENDING"),
  inState("rescue", "rescue", "small", { answered: some }),
  inBucket("abort multipart", "abortMultipart", "disturbed"),
  commit("record abort", "disturbed", ({ before, after }) => {
    return !!before?.transfer && after.transfer === null && after.state === "IN_PROGRESS";
  }),
  uploadChange("upload change"),
  uploadChange("complete upload", (_, after) => after.state === "COMPLETED"),
  uploadChange("reopen upload", (before, after) => before.state === "COMPLETED" && after.state === "IN_PROGRESS"),
];

/** The kill goes before the call, so that it never happens, or after it, so that nobody hears its answer. */
export const FAILPOINTS: readonly Failpoint[] = POINTS.flatMap((point) =>
  (["before", "after"] as const).map((phase) => ({ name: `${phase} ${point.name}`, phase, point })),
);

export function failpoint(name: string): Failpoint {
  const found = FAILPOINTS.find((one) => one.name === name);
  if (!found) throw new Error(`There is no failpoint ${JSON.stringify(name)}.`);
  return found;
}
