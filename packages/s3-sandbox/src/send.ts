import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { ClientGone } from "./connection.ts";
import { trickled } from "./fault-replies.ts";
import type { Reply, ReplyIdentity } from "./reply.ts";

export interface SendOptions {
  response: ServerResponse;
  method: string;
  reply: Reply;
  identity: ReplyIdentity;
  date: Date;
  /** Close the connection after the answer. */
  close: boolean;
  /** Milliseconds between single bytes, or undefined for full speed. */
  trickleMs: number | undefined;
  signal: AbortSignal;
  onBytes: (count: number) => void;
  /** Called when the answer is decided and about to leave: for a streamed body after its last byte is handed over. */
  onComplete: () => void;
}

function allHeaders({ method, reply, identity, date, close }: SendOptions): Record<string, string> {
  const headers: Record<string, string> = {
    date: date.toUTCString(),
    server: "s3-sandbox",
    "x-amz-request-id": identity.requestId,
    "x-amz-id-2": identity.hostId,
    ...reply.headers,
  };
  if (close) headers.connection = "close";
  const bodiless = reply.status === 204 || reply.status === 304;
  if (bodiless) delete headers["content-length"];
  else headers["content-length"] ??= String(reply.body?.length ?? 0);
  // An error to a HEAD request has no document, so it must not announce the document's length.
  if (method === "HEAD" && reply.errorCode !== undefined) {
    delete headers["content-length"];
    delete headers["content-type"];
  }
  return headers;
}

async function* bodyOf({ method, reply }: SendOptions): AsyncGenerator<Buffer> {
  if (method === "HEAD" || reply.status === 204 || reply.status === 304) return;
  if (reply.body) yield reply.body;
  if (reply.stream) yield* reply.stream;
}

/** Marks the last chunk, so that a request can be finished in the ledger before its client has the whole answer. */
async function* withLast(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ chunk: Buffer; last: boolean }> {
  let held: Buffer | undefined;
  try {
    for await (const chunk of chunks) {
      if (held) yield { chunk: held, last: false };
      held = chunk;
    }
  } catch (error) {
    // What came before a scripted cut has to arrive.
    if (held) yield { chunk: held, last: false };
    throw error;
  }
  yield { chunk: held ?? Buffer.alloc(0), last: true };
}

/** Waits until the socket takes more, or fails when the client is gone. */
async function drained(
  stream: NodeJS.WritableStream & { destroyed?: boolean },
  closed: Promise<unknown>,
): Promise<void> {
  await Promise.race([once(stream, "drain"), closed]);
  if (stream.destroyed) throw new ClientGone(undefined);
}

async function sendStream(options: SendOptions): Promise<void> {
  const { response, onBytes, onComplete } = options;
  const closed = new Promise((resolve) => response.once("close", resolve));
  response.flushHeaders();
  for await (const { chunk, last } of withLast(bodyOf(options))) {
    if (response.destroyed) throw new ClientGone(undefined);
    onBytes(chunk.length);
    if (last) onComplete();
    if (!response.write(chunk) && !last) await drained(response, closed);
  }
  response.end();
}

/**
 * Writes head and body to the socket byte by byte, past the response object, which would send the head in one piece.
 */
async function sendTrickled(options: SendOptions, headers: Record<string, string>, intervalMs: number): Promise<void> {
  const { response, reply, signal, onBytes, onComplete } = options;
  const { socket } = response;
  if (!socket) throw new ClientGone(undefined);
  const lines = Object.entries({ ...headers, connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(
    `HTTP/1.1 ${reply.status} ${reply.status < 400 ? "OK" : "Error"}\r\n${lines.join("")}\r\n`,
    "latin1",
  );
  const whole = (async function* () {
    yield head;
    yield* bodyOf(options);
  })();
  let sent = 0;
  for await (const { chunk, last } of withLast(trickled(whole, intervalMs, signal))) {
    if (socket.destroyed) throw new ClientGone(undefined);
    if (++sent > head.length) onBytes(chunk.length);
    if (last) onComplete();
    socket.write(chunk);
  }
  socket.end();
}

/** Sends an answer. @throws ClientGone when the connection closed before everything was handed over */
export async function sendReply(options: SendOptions): Promise<void> {
  const { response, reply, trickleMs, method, onBytes, onComplete } = options;
  if (response.destroyed || response.socket?.destroyed) throw new ClientGone(undefined);
  const headers = allHeaders(options);
  if (trickleMs !== undefined) return sendTrickled(options, headers, trickleMs);
  response.writeHead(reply.status, headers);
  if (reply.stream && method !== "HEAD") return sendStream(options);
  const body = method === "HEAD" || reply.status === 204 || reply.status === 304 ? undefined : reply.body;
  onBytes(body?.length ?? 0);
  onComplete();
  response.end(body);
}
