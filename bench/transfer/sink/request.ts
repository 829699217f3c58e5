/** The head of a request, as far as the sink looks at it. */
export interface Request {
  readonly method: string;
  /** As it came, still encoded: `/bucket/key`. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

const NO_QUERY = new URLSearchParams();

/** @param head everything before the empty line */
export function parseHead(head: string): Request {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const mark = target.indexOf("?");
  const path = mark === -1 ? target : target.slice(0, mark);
  return { method, path, headers, query: mark === -1 ? NO_QUERY : new URLSearchParams(target.slice(mark + 1)) };
}

/** Bytes of content, once they are unwrapped from aws-chunked. @param received bytes of the body on the wire */
export function contentLength({ headers }: Request, received: number): number {
  const decoded = headers.get("x-amz-decoded-content-length");
  return decoded === undefined ? received : Number(decoded);
}

/** The checksum headers of a request, those in the trailer of an aws-chunked body included. @param tail end of the body */
export function checksumsOf({ headers }: Request, tail: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of headers) if (isChecksum(name)) found.set(name, value);
  const trailer = headers.get("x-amz-trailer")?.toLowerCase();
  const value = trailer && new RegExp(`${trailer}:\\s*([A-Za-z0-9+/=-]+)`, "i").exec(tail)?.[1];
  if (trailer && value && isChecksum(trailer)) found.set(trailer, value);
  return found;
}

function isChecksum(name: string): boolean {
  return name.startsWith("x-amz-checksum-") && name !== "x-amz-checksum-algorithm" && name !== "x-amz-checksum-type";
}
