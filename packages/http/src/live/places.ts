import { HttpError } from "../errors.ts";

const RETRY_SECONDS = 5;

/** How many streams may be open: in all, and of one client half as many, so that none takes them all. */
export class Places {
  readonly #limit: number;
  readonly #limitEach: number;
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#limitEach = Math.ceil(limit / 2);
  }

  /** @returns what gives the place back @throws HttpError `TOO_MANY_STREAMS` */
  take(client: string): () => void {
    const own = this.#taken.get(client) ?? 0;
    if (this.#all >= this.#limit) throw tooMany(`All ${this.#limit} event streams of this service are open.`);
    if (own >= this.#limitEach) throw tooMany(`This client has ${own} event streams open, and may have no more.`);
    this.#taken.set(client, own + 1);
    this.#all += 1;
    return () => this.#giveBack(client);
  }

  #giveBack(client: string): void {
    const left = (this.#taken.get(client) ?? 0) - 1;
    if (left > 0) this.#taken.set(client, left);
    else this.#taken.delete(client);
    this.#all -= 1;
  }
}

function tooMany(message: string): HttpError {
  return new HttpError("TOO_MANY_STREAMS", message, { headers: { "retry-after": String(RETRY_SECONDS) } });
}
