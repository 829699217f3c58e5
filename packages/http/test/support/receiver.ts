import { createHmac } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A status, or whatever the receiver does with the request. */
export type Reply = number | ((response: ServerResponse, request: IncomingMessage) => void);

/** 32 bytes each. */
export const SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
export const OLD_SECRET = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/** A server of somebody else, that is told. */
export class Receiver {
  readonly requests: Received[] = [];
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();
  #replies: Reply[] = [];
  #usual: Reply = 204;

  private constructor() {
    this.#server = createServer((request, response) => void this.#receive(request, response));
  }

  static async open(usual: Reply = 204): Promise<Receiver> {
    const receiver = new Receiver();
    receiver.#usual = usual;
    await once(receiver.#server.listen(0, "127.0.0.1"), "listening");
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  /** The next requests are answered so, in this order. */
  next(...replies: Reply[]): void {
    this.#replies.push(...replies);
  }

  /** And all after them. */
  usually(reply: Reply): void {
    this.#usual = reply;
  }

  /** Resolves when so many requests have come, in all. */
  async received(count: number): Promise<readonly Received[]> {
    while (this.requests.length < count) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    return this.requests;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const reply = this.#replies.shift() ?? this.#usual;
    this.requests.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString() });
    if (typeof reply === "number") response.writeHead(reply).end();
    else reply(response, request);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** What the header must be, computed from the text of Standard Webhooks 1.0.0 alone. */
export function signatureOf(secret: string, { headers, body }: Received): string {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}
