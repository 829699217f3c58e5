import type { ListRequest, ObjectStore } from "../ports/object-store.ts";

/** The methods that give items one after the other, in key order. */
export type Listing = "listObjects" | "listMultiparts";

/** The methods that make one request and resolve once. */
export type Operation = Exclude<keyof ObjectStore, "capabilities" | "usesSha256" | "close" | Listing>;

/** What every request has. */
export interface CallRequest {
  readonly bucket: string;
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What every listed item has. */
export interface Listed {
  readonly key: string;
}

/** What a decorator does around the calls of the store inside it. */
export interface Advice {
  /** `proceed` may be called never, once or several times, with the request or another of its kind. */
  call<R extends CallRequest, T>(operation: Operation, request: R, proceed: (request: R) => Promise<T>): Promise<T>;
  list<R extends ListRequest, T extends Listed>(
    listing: Listing,
    request: R,
    proceed: (request: R) => AsyncIterable<T>,
  ): AsyncIterable<T>;
}

/** The one place that knows every method of the port; decorators only say what happens around a call. */
export function decorated(inner: ObjectStore, advice: Advice): ObjectStore {
  return {
    get capabilities() {
      return inner.capabilities;
    },
    usesSha256: (bucket) => inner.usesSha256?.(bucket) ?? false,
    checkBucket: (request) => advice.call("checkBucket", request, (r) => inner.checkBucket(r)),
    putObject: (request) => advice.call("putObject", request, (r) => inner.putObject(r)),
    putStream: (request) => advice.call("putStream", request, (r) => inner.putStream(r)),
    deleteObject: (request) => advice.call("deleteObject", request, (r) => inner.deleteObject(r)),
    headObject: (request) => advice.call("headObject", request, (r) => inner.headObject(r)),
    listObjects: (request) => advice.list("listObjects", request, (r) => inner.listObjects(r)),
    createMultipart: (request) => advice.call("createMultipart", request, (r) => inner.createMultipart(r)),
    uploadPart: (request) => advice.call("uploadPart", request, (r) => inner.uploadPart(r)),
    listParts: (request) => advice.call("listParts", request, (r) => inner.listParts(r)),
    completeMultipart: (request) => advice.call("completeMultipart", request, (r) => inner.completeMultipart(r)),
    abortMultipart: (request) => advice.call("abortMultipart", request, (r) => inner.abortMultipart(r)),
    listMultiparts: (request) => advice.list("listMultiparts", request, (r) => inner.listMultiparts(r)),
    close: () => inner.close(),
  };
}
