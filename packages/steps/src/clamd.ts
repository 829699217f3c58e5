import { createConnection, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";

/** Where clamd listens: `LocalSocket` or `TCPAddr` and `TCPSocket` of its configuration. */
export type ClamdAddress = { readonly socket: string } | { readonly host: string; readonly port: number };

/** What clamd said, and whether it had been given the whole file by then. */
export interface ClamdAnswer {
  readonly text: string;
  readonly complete: boolean;
}

/** Why there is no answer; the message goes on from "clamd at …". */
export class NoAnswer extends Error {
  /** The connection broke when a part of the file had been sent already. */
  readonly midway: boolean;

  constructor(message: string, options: ErrorOptions & { readonly midway?: boolean } = {}) {
    super(message, options);
    this.midway = options.midway ?? false;
  }
}

/** Largest piece of one length prefix, in bytes. */
const PIECE = 128 * 1024;
/** An answer is one line; the names of signatures are short. */
const LONGEST_ANSWER = 4096;
/**
 * When clamd has had enough of a file it answers and closes; a write that comes after that makes Node.js throw the answer away
 * unread. That happens to one such file in ten on a fast machine, so a file whose connection breaks midway is sent again, with
 * longer and longer pauses between the pieces.
 */
const ATTEMPTS = 4;
/** One more of it for each attempt after the first. */
const PAUSE_MS = 2;

/**
 * One scan by clamd's `INSTREAM` (clamd(8)): `zINSTREAM`, then pieces with a 32-bit length in front, then a length of zero; the
 * answer ends with a NUL. The next chunk is asked for when the socket has taken the last one.
 * @param content all bytes of the file, each time it is called
 * @param timeoutMs longest wait for clamd alone: to connect, to take a piece, and to answer
 * @throws NoAnswer; the signal's reason; whatever reading the content throws
 */
export async function scanByClamd(
  address: ClamdAddress,
  content: () => AsyncIterable<Uint8Array>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ClamdAnswer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await scanOnce(new Session(address, timeoutMs, (attempt - 1) * PAUSE_MS), content(), signal);
    } catch (error) {
      if (!(error instanceof NoAnswer && error.midway && attempt < ATTEMPTS)) throw error;
    }
  }
}

async function scanOnce(
  session: Session,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<ClamdAnswer> {
  const onAbort = () => session.close(new NoAnswer("was not waited for"));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await session.scan(chunks);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    session.close();
  }
}

class Session {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #pauseMs: number;
  readonly #answered: Promise<void>;
  #answer: string | undefined;
  #sending = false;
  #received = Buffer.alloc(0);
  #failure: NoAnswer | undefined;

  constructor(address: ClamdAddress, timeoutMs: number, pauseMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#pauseMs = pauseMs;
    const target = "socket" in address ? { path: address.socket } : { host: address.host, port: address.port };
    // Half open: an answer that comes before we have sent everything must not end our side under our hands.
    this.#socket = createConnection({ ...target, allowHalfOpen: true });
    this.#answered = new Promise((resolve) => {
      this.#socket.on("data", (data) => this.#receive(data) && resolve());
      const stop = (reason: string, cause?: Error) => {
        this.#failure ??= new NoAnswer(reason, { cause, midway: this.#sending });
        resolve();
      };
      this.#socket.on("error", (error) =>
        stop(this.#sending ? `broke off: ${error.message}` : `cannot be reached: ${error.message}`, error),
      );
      this.#socket.on("end", () => stop("closed the connection before it answered"));
      this.#socket.on("close", () => stop("closed the connection before it answered"));
    });
  }

  async scan(chunks: AsyncIterable<Uint8Array>): Promise<ClamdAnswer> {
    await this.#write(Buffer.from("zINSTREAM\0"), "did not accept the connection");
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length && !this.#over(); at += PIECE)
        await this.#send(chunk.subarray(at, at + PIECE));
      if (this.#over()) break;
    }
    // What the last bytes brought about arrives after them: the answer counts as complete only when it came after the end.
    const complete = !this.#over();
    this.#sending = false;
    if (complete) await this.#write(Buffer.alloc(4), "did not take the end of the file");
    await this.#within(this.#answered, "did not answer");
    if (this.#answer === undefined) throw this.#failure ?? new NoAnswer("did not answer");
    return { text: this.#answer, complete };
  }

  close(failure?: NoAnswer): void {
    if (failure !== undefined) this.#failure ??= failure;
    this.#socket.destroy();
  }

  #over(): boolean {
    return this.#answer !== undefined || this.#failure !== undefined;
  }

  async #send(piece: Uint8Array): Promise<void> {
    this.#sending = true;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(piece.length);
    this.#socket.cork();
    this.#socket.write(length);
    const written = this.#write(piece, "took no more of the file");
    this.#socket.uncork();
    await written;
    // A whole turn of the event loop, in which an early answer can be read: see ATTEMPTS.
    await nextTurn();
    if (this.#over()) return;
    await (this.#pauseMs === 0 ? nextTurn() : pause(this.#pauseMs));
  }

  /** Resolves when the socket has taken the bytes, or when it is over. */
  #write(bytes: Uint8Array, complaint: string): Promise<void> {
    const written = new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
    return this.#within(Promise.race([written, this.#answered]), complaint);
  }

  async #within(wait: Promise<void>, complaint: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NoAnswer(`${complaint} within ${this.#timeoutMs} ms`)), this.#timeoutMs);
    });
    try {
      await Promise.race([wait, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** True when the answer is there, or can no longer become one. */
  #receive(data: Buffer): boolean {
    this.#received = Buffer.concat([this.#received, data]);
    const end = this.#received.indexOf(0);
    if (end >= 0) this.#answer ??= this.#received.toString("utf8", 0, end);
    else if (this.#received.length > LONGEST_ANSWER) this.close(new NoAnswer("answered without an end"));
    return this.#over();
  }
}
