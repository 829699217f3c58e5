import { type ClientRequest, get, type IncomingHttpHeaders, type IncomingMessage } from "node:http";

export interface Heard {
  readonly name: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

export interface ClientOptions {
  readonly lastEventId?: string | undefined;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Reads a stream as the HTML standard says an EventSource does, over a connection of its own. */
export class EventClient {
  readonly heard: Heard[] = [];
  readonly comments: string[] = [];
  retry: number | undefined;
  lastEventId: string;
  readonly headers: IncomingHttpHeaders;
  readonly ended: Promise<void>;
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  readonly #waiting = new Set<() => void>();
  #rest = "";
  #block: { name: string; data: string[]; id: string | undefined } = { name: "", data: [], id: undefined };

  private constructor(request: ClientRequest, response: IncomingMessage, lastEventId: string) {
    this.#request = request;
    this.#response = response;
    this.headers = response.headers;
    this.lastEventId = lastEventId;
    this.ended = new Promise((resolve) => response.once("close", resolve));
    response.setEncoding("utf8");
    response.on("data", (text: string) => this.#read(text));
    response.on("error", () => {});
    response.once("close", () => this.#wake());
  }

  static async open(url: string, { lastEventId, token, headers = {} }: ClientOptions = {}): Promise<EventClient> {
    const own: Record<string, string> = { accept: "text/event-stream", ...headers };
    if (lastEventId !== undefined) own["last-event-id"] = lastEventId;
    if (token !== undefined) own.authorization = `Bearer ${token}`;
    return await new Promise((resolve, reject) => {
      const request = get(url, { headers: own, agent: false });
      request.on("error", reject);
      request.once("response", (response) => {
        if (response.statusCode === 200) resolve(new EventClient(request, response, lastEventId ?? ""));
        else reject(new Error(`The stream was answered ${response.statusCode}.`));
      });
    });
  }

  /** Waits for an event; of those that were heard already, too. */
  async until(name: string, matches: (event: Heard) => boolean = () => true): Promise<Heard> {
    return await this.when(() => this.heard.find((event) => event.name === name && matches(event)));
  }

  /** Waits for what `find` finds; it is asked again whenever something has come. */
  async when<T>(find: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      if (this.#response.destroyed) throw new Error("The stream has ended without it.");
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  names(): string[] {
    return this.heard.map(({ name }) => name);
  }

  /** Stops reading, for good or until `goOn`. */
  stall(): void {
    this.#response.pause();
  }

  goOn(): void {
    this.#response.resume();
  }

  /** Goes away without a word. */
  cut(): void {
    this.#request.destroy();
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
    this.#wake();
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) {
      this.comments.push(line.slice(1));
      return;
    }
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (field === "event") this.#block.name = value;
    else if (field === "data") this.#block.data.push(value);
    else if (field === "id") this.#block.id = value;
    else if (field === "retry") this.retry = Number(value);
    else throw new Error(`The stream has a line that is none of its format: ${JSON.stringify(line)}`);
  }

  #dispatch(): void {
    const { name, data, id } = this.#block;
    this.#block = { name: "", data: [], id: undefined };
    if (id !== undefined) this.lastEventId = id;
    if (data.length === 0) return;
    this.heard.push({ name, id: this.lastEventId, data: JSON.parse(data.join("\n")) as Record<string, unknown> });
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
