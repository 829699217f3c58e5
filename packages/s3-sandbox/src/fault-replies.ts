import { setTimeout as sleep } from "node:timers/promises";
import { flipByte } from "./body.ts";
import { ConnectionReset } from "./connection.ts";
import type { FaultPlan } from "./faults.ts";
import { type Reply, type ReplyIdentity, scriptedError } from "./reply.ts";

function differentHex(etag: string): string {
  return etag.replace(/[0-9a-f](?=[0-9a-f-]*"?$)/, (digit) => (digit === "0" ? "1" : "0"));
}

function differentBase64(value: string): string {
  return (value.startsWith("A") ? "B" : "A") + value.slice(1);
}

function withWrongEtag(reply: Reply): Reply {
  const headers = { ...reply.headers };
  if (headers.etag !== undefined) headers.etag = differentHex(headers.etag);
  const body = rewrite(reply, /(<ETag>(?:&quot;)?)([0-9a-f]+)/g, (head, value) => head + differentHex(value));
  return { ...reply, headers, ...(body ? { body } : {}) };
}

function withWrongChecksum(reply: Reply): Reply {
  const headers = { ...reply.headers };
  for (const [name, value] of Object.entries(headers)) {
    if (/^x-amz-checksum-(crc|sha)/.test(name)) headers[name] = differentBase64(value);
  }
  const body = rewrite(reply, /(<Checksum(?:CRC|SHA)\w+>)([^<]+)/g, (head, value) => head + differentBase64(value));
  return { ...reply, headers, ...(body ? { body } : {}) };
}

function rewrite(reply: Reply, pattern: RegExp, change: (head: string, value: string) => string): Buffer | undefined {
  if (!reply.body || reply.headers["content-type"] !== "application/xml") return undefined;
  return Buffer.from(
    reply.body.toString("utf8").replace(pattern, (_, head: string, value: string) => change(head, value)),
  );
}

async function* corrupted(stream: AsyncIterable<Buffer>, offset: number): AsyncGenerator<Buffer> {
  let position = 0;
  for await (const chunk of stream) {
    yield flipByte(chunk, offset - position);
    position += chunk.length;
  }
}

async function* cut(stream: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Buffer> {
  let left = limit;
  for await (const chunk of stream) {
    if (chunk.length >= left) {
      if (left > 0) yield chunk.subarray(0, left);
      break;
    }
    left -= chunk.length;
    yield chunk;
  }
  throw new ConnectionReset();
}

/** The bytes of an answer, one at a time. */
export async function* trickled(
  bytes: AsyncIterable<Buffer>,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at++) {
      yield chunk.subarray(at, at + 1);
      await sleep(intervalMs, undefined, { signal });
    }
  }
}

/** The answer as the faults in force make it. */
export function alterReply(reply: Reply, plan: FaultPlan, identity: ReplyIdentity): Reply {
  let altered = reply;
  const hidden = plan.find("okWithError");
  if (hidden && reply.errorCode === undefined) {
    const error = scriptedError({ code: "InternalError", ...hidden, status: 200 }, identity);
    altered = { ...error, ...(reply.onEnd ? { onEnd: reply.onEnd } : {}) };
  }
  if (plan.find("wrongEtag")) altered = withWrongEtag(altered);
  if (plan.find("wrongChecksum")) altered = withWrongChecksum(altered);
  const corrupt = plan.find("corruptByte");
  if (corrupt && altered.stream) altered = { ...altered, stream: corrupted(altered.stream, corrupt.offset ?? 0) };
  const reset = plan.find("resetMidBody");
  return reset ? withReset(altered, reset.afterBytes) : altered;
}

function withReset(reply: Reply, afterBytes: number): Reply {
  const { body, ...rest } = reply;
  if (reply.stream) return { ...rest, stream: cut(reply.stream, afterBytes) };
  if (!body || body.length === 0) {
    reply.onEnd?.();
    throw new ConnectionReset();
  }
  const whole = (async function* () {
    yield body;
  })();
  return {
    ...rest,
    headers: { ...reply.headers, "content-length": String(body.length) },
    stream: cut(whole, afterBytes),
  };
}
