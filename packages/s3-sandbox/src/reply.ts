import { describeError, S3Error } from "./errors.ts";
import { writeXml, type XmlNode } from "./xml.ts";

/** An answer on its way out. `stream` and `body` exclude each other; a stream needs its length in `content-length`. */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  body?: Buffer;
  stream?: AsyncIterable<Buffer>;
  errorCode?: string;
  /** Called once when the answer has been sent or given up. */
  onEnd?: () => void;
}

export interface ReplyIdentity {
  requestId: string;
  hostId: string;
  resource: string;
}

export function emptyReply(status: number, headers: Record<string, string> = {}): Reply {
  return { status, headers };
}

export function xmlReply(root: string, content: readonly XmlNode[], headers: Record<string, string> = {}): Reply {
  return {
    status: 200,
    headers: { "content-type": "application/xml", ...headers },
    body: Buffer.from(writeXml(root, content)),
  };
}

function errorDocument(
  code: string,
  message: string,
  details: Record<string, string>,
  { requestId, hostId, resource }: ReplyIdentity,
): Buffer {
  const nodes: XmlNode[] = [
    ["Code", code],
    ["Message", message],
    ...Object.entries(details).map(([name, value]): XmlNode => [name, value]),
    ["Resource", resource],
    ["RequestId", requestId],
    ["HostId", hostId],
  ];
  return Buffer.from(writeXml("Error", nodes, null));
}

/**
 * The answer to an error; anything that is not an S3Error is a fault of the sandbox and becomes InternalError with its
 * message.
 */
export function errorReply(error: unknown, identity: ReplyIdentity): Reply {
  const known =
    error instanceof S3Error
      ? error
      : new S3Error("InternalError", {
          message: `The sandbox failed: ${error instanceof Error ? error.message : String(error)}`,
        });
  return {
    status: known.status,
    headers: { "content-type": "application/xml", ...known.headers },
    body: errorDocument(known.code, known.message, known.details, identity),
    errorCode: known.code,
  };
}

/** An error answer with any code, status and message, as fault injection needs it. */
export function scriptedError(
  options: { code: string; status?: number; message?: string; headers?: Record<string, string> },
  identity: ReplyIdentity,
): Reply {
  const known = describeError(options.code);
  return {
    status: options.status ?? known.status,
    headers: { "content-type": "application/xml", ...options.headers },
    body: errorDocument(options.code, options.message ?? known.message, {}, identity),
    errorCode: options.code,
  };
}
