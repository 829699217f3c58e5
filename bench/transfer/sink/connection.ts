import type { Socket } from "node:net";
import { Body } from "./body.ts";
import type { Answer, Bucket } from "./bucket.ts";
import { contentLength, parseHead, type Request } from "./request.ts";

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  400: "Bad Request",
  404: "Not Found",
  501: "Not Implemented",
};

/** Serves one connection, a request at a time. Hand-made, since node:http would cost several times as much. */
export class Connection {
  readonly #socket: Socket;
  readonly #bucket: Bucket;
  readonly #delayMs: () => number;
  #rest: Buffer | undefined;
  #current: { readonly request: Request; readonly body: Body } | undefined;

  constructor(socket: Socket, bucket: Bucket, delayMs: () => number) {
    this.#socket = socket;
    this.#bucket = bucket;
    this.#delayMs = delayMs;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => this.#receive(data));
    // Clients drop connections as they like.
    socket.on("error", () => socket.destroy());
  }

  #receive(received: Buffer): void {
    const data = this.#rest === undefined ? received : Buffer.concat([this.#rest, received]);
    this.#rest = undefined;
    let at = 0;
    while (at < data.length) {
      if (this.#current === undefined) {
        const end = data.indexOf(END_OF_HEAD, at);
        if (end === -1) {
          this.#rest = data.subarray(at);
          return;
        }
        this.#begin(data.toString("latin1", at, end));
        at = end + END_OF_HEAD.length;
      } else at = this.#current.body.take(data, at);
      this.#finish();
    }
  }

  #begin(head: string): void {
    const request = parseHead(head);
    this.#current = { request, body: new Body(request.headers) };
    if (request.headers.get("expect")?.toLowerCase() === "100-continue") {
      this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }

  #finish(): void {
    if (!this.#current?.body.done) return;
    const { request, body } = this.#current;
    this.#current = undefined;
    const size = contentLength(request, body.received);
    const answer = this.#bucket.answer(request, { size, received: body.received, tail: body.tail });
    const text = write(answer, request.method);
    const delay = this.#delayMs();
    if (delay > 0) setTimeout(() => this.#socket.write(text), delay);
    else this.#socket.write(text);
  }
}

function write({ status, headers = {}, body = "" }: Answer, method: string): string {
  let head = `HTTP/1.1 ${status} ${REASONS[status] ?? "Answer"}\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  if (headers["Content-Length"] === undefined && status !== 204)
    head += `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${head}\r\n${method === "HEAD" ? "" : body}`;
}
