import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";

const KEEP_ALIVE_MS = 30_000;

/** No cache keeps it, no proxy compresses it or holds it back. */
export const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-store, no-transform",
  "x-accel-buffering": "no",
} as const;

/** Takes the answer over from Fastify and sends its head, with the headers that hooks have set. */
export function beginStream(reply: FastifyReply): ServerResponse {
  const headers = reply.headers(STREAM_HEADERS).getHeaders();
  reply.hijack();
  const { raw } = reply;
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) raw.setHeader(name, value);
  raw.writeHead(200);
  // What the client's machine no longer answers to is noticed when nothing is told for hours, too.
  if (raw.req.httpVersionMajor === 1) raw.socket?.setKeepAlive(true, KEEP_ALIVE_MS);
  return raw;
}
