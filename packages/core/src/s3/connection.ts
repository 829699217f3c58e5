import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { systemClock } from "../clock.ts";
import { AnswerReader } from "./answer-reader.ts";
import type { Dial } from "./dial.ts";
import type { Exchange } from "./exchange.ts";

/** Bytes. Few enough to be out within any reasonable limit of silence, many enough to cost nothing. */
const PIECE = 256 * 1024;
/** A connection that was not used for longer is not used again. Milliseconds. */
const KEPT_MS = 4_000;
/** The same when the server says how long it keeps one: a little less, as our request is under way for a while. */
const LONGEST_KEPT_MS = 600_000;
const UNDER_WAY_MS = 2_000;

/**
 * One exchange at a time, on a socket that is made when it is needed and kept while the server keeps it. A socket on which
 * anything is in doubt is destroyed: it never carries the next exchange.
 */
export class Connection {
  readonly #dial: Dial;
  readonly #idleTimeoutMs: number;
  readonly #onFree: () => void;
  #socket: Socket | undefined;
  #keptUntil = 0;
  #exchange: Exchange | undefined;
  #reader = new AnswerReader();
  #isSending = false;

  /** @param onFree called whenever it can take another exchange */
  constructor(dial: Dial, idleTimeoutMs: number, onFree: () => void) {
    this.#dial = dial;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#onFree = onFree;
  }

  send(exchange: Exchange): void {
    this.#exchange = exchange;
    exchange.begin(() => this.#release(false));
    if (this.#isKept()) this.#write(this.#socket as Socket, exchange);
    else this.#open();
  }

  /** Closes a socket that was not used for long. @returns whether it still has one */
  sweep(): boolean {
    return this.#exchange !== undefined || this.#isKept();
  }

  close(reason: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#drop();
    exchange?.fail(reason);
  }

  #isKept(): boolean {
    if (this.#socket?.destroyed || systemClock.monotonic() >= this.#keptUntil) this.#drop();
    return this.#socket !== undefined;
  }

  #open(): void {
    const socket = this.#dial(() => {
      if (this.#socket !== socket || !this.#exchange) return;
      socket.setTimeout(this.#idleTimeoutMs, () => socket.destroy(new Silence(this.#idleTimeoutMs)));
      this.#write(socket, this.#exchange);
    });
    this.#socket = socket;
    const isCurrent = () => this.#socket === socket;
    socket.on("data", (bytes) => {
      if (isCurrent()) this.#read(bytes);
    });
    socket.on("end", () => {
      if (isCurrent()) this.#ended();
    });
    socket.on("error", (error) => {
      if (isCurrent()) this.#fail(error);
    });
    socket.on("close", () => {
      if (isCurrent()) this.#fail(new HungUp());
    });
  }

  #write(socket: Socket, { request: { head, body } }: Exchange): void {
    this.#reader = new AnswerReader();
    socket.ref();
    socket.cork();
    socket.write(head, "latin1");
    // TLS takes a body whole and tells nothing until all of it is out: on a slow line it would look like silence.
    if (socket instanceof TLSSocket && body.length > PIECE) this.#writePieces(socket, body);
    else if (body.length > 0) socket.write(body);
    socket.uncork();
  }

  #writePieces(socket: Socket, body: Uint8Array): void {
    let begin = 0;
    this.#isSending = true;
    const next = () => {
      if (this.#socket !== socket) return;
      const piece = body.subarray(begin, begin + PIECE);
      begin += PIECE;
      this.#isSending = begin < body.length;
      if (this.#isSending) socket.write(piece, (error) => error ?? next());
      else socket.write(piece);
    };
    next();
  }

  #read(bytes: Buffer): void {
    // Without an exchange, nobody has asked for it.
    if (!this.#exchange) return this.#drop();
    try {
      if (this.#reader.read(bytes)) this.#complete();
    } catch (error) {
      this.#fail(error);
    }
  }

  #ended(): void {
    if (this.#exchange && this.#reader.end()) this.#complete();
    else this.#fail(new HungUp());
  }

  #complete(): void {
    const { answer, isReusable } = this.#reader;
    const exchange = this.#exchange;
    // An answer that came before the body was sent: the rest of it must not be read from its buffer any more.
    const isSent = !this.#isSending && this.#socket?.writableLength === 0;
    this.#keptUntil = systemClock.monotonic() + keptFor(answer.headers["keep-alive"]);
    this.#release(isReusable && isSent);
    exchange?.settle(answer);
  }

  #fail(error: unknown): void {
    const exchange = this.#exchange;
    if (!exchange) return this.#drop();
    this.#release(false);
    exchange.fail(error);
  }

  #release(isReusable: boolean): void {
    if (isReusable) this.#socket?.unref();
    else this.#drop();
    this.#exchange = undefined;
    this.#onFree();
  }

  #drop(): void {
    this.#isSending = false;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}

/** @param hint what the server's `keep-alive` header says */
function keptFor(hint: string | undefined): number {
  const [, seconds] = /\btimeout=(\d{1,6})/i.exec(hint ?? "") ?? [];
  if (seconds === undefined) return KEPT_MS;
  return Math.min(Number(seconds) * 1000 - UNDER_WAY_MS, LONGEST_KEPT_MS);
}

/** As Node.js has it. */
class HungUp extends Error {
  readonly code = "ECONNRESET";

  constructor() {
    super("the connection was closed before the answer was complete.");
  }
}

/** Named as the SDK names it. */
class Silence extends Error {
  override readonly name = "TimeoutError";

  constructor(limitMs: number) {
    super(`the connection was silent for ${limitMs} ms.`);
  }
}
