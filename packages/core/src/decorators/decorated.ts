import type { ListedMultipart, ObjectStore } from "../ports/object-store.ts";

/** The methods that make one request and resolve once. */
export type Operation = Exclude<keyof ObjectStore, "capabilities" | "close" | "listMultiparts">;

/** What every request has. */
export interface CallRequest {
  readonly bucket: string;
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type ListRequest = Parameters<ObjectStore["listMultiparts"]>[0];

/** What a decorator does around the calls of the store inside it. */
export interface Advice {
  /** `proceed` may be called never, once or several times, with the request or another of its kind. */
  call<R extends CallRequest, T>(operation: Operation, request: R, proceed: (request: R) => Promise<T>): Promise<T>;
  list(
    request: ListRequest,
    proceed: (request: ListRequest) => AsyncIterable<ListedMultipart>,
  ): AsyncIterable<ListedMultipart>;
}

/** The one place that knows every method of the port; decorators only say what happens around a call. */
export function decorated(inner: ObjectStore, advice: Advice): ObjectStore {
  return {
    get capabilities() {
      return inner.capabilities;
    },
    checkBucket: (request) => advice.call("checkBucket", request, (r) => inner.checkBucket(r)),
    putObject: (request) => advice.call("putObject", request, (r) => inner.putObject(r)),
    putStream: (request) => advice.call("putStream", request, (r) => inner.putStream(r)),
    headObject: (request) => advice.call("headObject", request, (r) => inner.headObject(r)),
    createMultipart: (request) => advice.call("createMultipart", request, (r) => inner.createMultipart(r)),
    uploadPart: (request) => advice.call("uploadPart", request, (r) => inner.uploadPart(r)),
    listParts: (request) => advice.call("listParts", request, (r) => inner.listParts(r)),
    completeMultipart: (request) => advice.call("completeMultipart", request, (r) => inner.completeMultipart(r)),
    abortMultipart: (request) => advice.call("abortMultipart", request, (r) => inner.abortMultipart(r)),
    listMultiparts: (request) => advice.list(request, (r) => inner.listMultiparts(r)),
    close: () => inner.close(),
  };
}
