import { request as httpRequest, type IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { type Answer, AnswerReader, UnreadableAnswer } from "../src/s3/answer-reader.ts";
import { type Dice, forSeeds } from "./support/random.ts";

interface Outcome extends Answer {
  readonly isReusable: boolean;
}

/** What our reader makes of the pieces; undefined: the answer is not complete. @throws UnreadableAnswer */
function readAll(pieces: readonly Buffer[], hasEnded: boolean): Outcome | undefined {
  const reader = new AnswerReader();
  let isComplete = false;
  for (const piece of pieces) {
    isComplete = reader.read(piece);
    if (isComplete) break;
  }
  if (!isComplete && hasEnded) isComplete = reader.end();
  return isComplete ? { ...reader.answer, isReusable: reader.isReusable } : undefined;
}

function readText(text: string, hasEnded = false): Outcome | undefined {
  return readAll([Buffer.from(text, "latin1")], hasEnded);
}

/** What Node.js makes of them: undefined when it finds no complete answer in them. */
function readByNode(pieces: readonly Buffer[], hasEnded: boolean): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read() {},
      write: (_chunk, _encoding, done) => done(),
    });
    const nothing = () => resolve(undefined);
    const request = httpRequest({ method: "PUT", host: "store", createConnection: () => socket });
    request.on("error", nothing);
    request.on("response", (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", nothing);
      response.on("close", nothing);
      response.on("end", () => {
        if (!response.complete) return nothing();
        const headers = response.headers as Record<string, string>;
        resolve({ status: response.statusCode ?? 0, headers, document: Buffer.concat(chunks).toString() });
      });
    });
    request.end();
    setImmediate(() => {
      for (const piece of pieces) socket.push(piece);
      if (hasEnded) socket.push(null);
      // Whatever has not come by then never will.
      void turns(100).then(() => request.destroy());
    });
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The text of an answer, and whether it ends with its connection. */
function anyAnswer(dice: Dice): { readonly text: string; readonly hasEnded: boolean } {
  const eol = "\r\n";
  const interim = dice.list(0, 2, () => `HTTP/1.1 ${dice.pick([100, 102, 103])} News${eol}link: <x>${eol}${eol}`);
  const status = dice.pick([200, 201, 204, 206, 304, 307, 400, 403, 404, 412, 500, 503]);
  const document = dice.chance(0.3) ? "" : "<é>".repeat(dice.int(1, 1_000));
  const body = Buffer.from(document).toString("latin1");
  const bare = status === 204 || status === 304;
  const way = bare ? "none" : dice.pick(["length", "chunked", "end"] as const);
  const framing = {
    length: [`Content-Length: ${body.length}`],
    chunked: ["Transfer-Encoding: chunked"],
    end: [],
    none: [],
  };
  const headers = [
    ...framing[way],
    ...dice.list(
      0,
      4,
      () =>
        `${dice.pick(["ETag", "x-Amz-Id-2", "Server", "Date"])}:${dice.pick(["", " ", "\t "])}${dice.pick(['"e"', "a b", ""])}${dice.pick(["", " ", "\t"])}`,
    ),
    ...(dice.chance(0.2) ? [`Connection: ${dice.pick(["close", "keep-alive"])}`] : []),
  ];
  const head = `HTTP/1.${dice.pick([1, 1, 1, 0])} ${status}${dice.pick([" OK", " Not At All", " "])}${eol}`;
  const sent = way === "chunked" ? chunked(body, dice) : way === "none" ? "" : body;
  const text = `${interim.join("")}${head}${headers.map((line) => line + eol).join("")}${eol}${sent}`;
  return { text, hasEnded: way === "end" };
}

function chunked(body: string, dice: Dice): string {
  let text = "";
  for (let at = 0; at < body.length; ) {
    const chunk = body.slice(at, at + dice.int(1, 2_000));
    text += `${chunk.length.toString(16)}${dice.pick(["", ";a=b", ";a"])}\r\n${chunk}\r\n`;
    at += chunk.length;
  }
  return `${text}0\r\n${dice.pick(["", "x-trailer: 1\r\n"])}\r\n`;
}

function cut(text: string, dice: Dice): Buffer[] {
  const bytes = Buffer.from(text, "latin1");
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + dice.pick([1, 2, 7, 60, 4_000]));
    pieces.push(piece);
    at += piece.length;
  }
  return pieces;
}

/** Ours joins what Node.js leaves out of an answer's headers when it comes twice. */
const compared = (answer: Answer | undefined) =>
  answer && { status: answer.status, etag: answer.headers.etag, document: answer.document };

describe("an answer", () => {
  test("is read as Node.js reads it, however it is cut", async () => {
    await forSeeds(400, async (dice) => {
      const { text, hasEnded } = anyAnswer(dice);
      const pieces = cut(text, dice);
      const ours = readAll(pieces, hasEnded);
      expect(ours).toBeDefined();
      expect(compared(ours)).toEqual(compared(await readByNode(pieces, hasEnded)));
    });
  });

  test("that is damaged is refused, or read as Node.js reads it, and never anything else", async () => {
    await forSeeds(600, async (dice) => {
      const { text, hasEnded } = anyAnswer(dice);
      const bytes = Buffer.from(text, "latin1");
      for (let n = dice.int(1, 3); n > 0; n--)
        bytes[dice.int(0, bytes.length - 1)] = dice.pick([0, 10, 13, 32, 48, 58, 65, 200]);
      const pieces = cut(bytes.toString("latin1"), dice);
      let ours: Outcome | undefined;
      try {
        ours = readAll(pieces, hasEnded);
      } catch (error) {
        expect(error).toBeInstanceOf(UnreadableAnswer);
        return;
      }
      const theirs = await readByNode(pieces, hasEnded);
      // Node.js may refuse more; but of what both take, both have the same.
      if (ours && theirs) expect(compared(ours)).toEqual(compared(theirs));
    });
  });

  test("may be cut anywhere", () => {
    const text =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\netag: e\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\nt: 1\r\n\r\n";
    const bytes = Buffer.from(text);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const pieces = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        expect(readAll(pieces, false)).toMatchObject({ status: 200, document: "abc", isReusable: true });
      }
      if (first < bytes.length) expect(readAll([bytes.subarray(0, first)], true)).toBeUndefined();
    }
  });

  test.each([
    ["another protocol", "220 smtp ready\r\n\r\n"],
    ["another version", "HTTP/2.0 200 OK\r\n\r\n"],
    ["no status", "HTTP/1.1 OK\r\n\r\n"],
    ["another protocol, from now on", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["a line without a colon", "HTTP/1.1 200 OK\r\netag\r\n\r\n"],
    ["a name with a space", "HTTP/1.1 200 OK\r\netag : e\r\n\r\n"],
    ["a folded line", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n"],
    ["a bare line feed in a value", "HTTP/1.1 200 OK\r\nx: a\nlength: 1\r\n\r\n"],
    ["a NUL in a value", "HTTP/1.1 200 OK\r\nx: a\0\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
    ["a length that is none", "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n"],
    ["a length and chunks", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"],
    ["a chunk without a size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n"],
    ["a chunk with a negative size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n"],
    ["a chunk that is too long", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n"],
    ["a head without an end", `HTTP/1.1 200 OK\r\nx: ${"a".repeat(70_000)}`],
    ["a line without an end", `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${"1".repeat(70_000)}`],
  ])("with %s is none", (_, text) => {
    expect(() => readText(text, true)).toThrow(UnreadableAnswer);
  });

  test.each([
    ["its length", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"],
    ["its head", "HTTP/1.1 200 OK\r\netag: e\r\n"],
    ["its chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ["its trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: 1\r\n"],
    ["all but news", "HTTP/1.1 100 Continue\r\n\r\n"],
    ["anything", ""],
  ])("that ends before %s is not complete", (_, text) => {
    expect(readText(text, true)).toBeUndefined();
  });

  test("of a success is complete without a body, when there is none", () => {
    for (const head of ["HTTP/1.1 200 OK\r\ncontent-length: 0", "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified"])
      expect(readText(`${head}\r\n\r\n`)).toMatchObject({ document: "", isReusable: true });
  });

  test.each([
    ["says that it closes", "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n"],
    ["is of HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"],
    ["is followed by more", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"],
    ["ends with its connection", "HTTP/1.1 200 OK\r\n\r\nabc"],
    ["goes on and on", `HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n${"a".repeat(2 ** 20 + 1)}`],
  ])("after which the connection is not used again: one that %s", (_, text) => {
    expect(readText(text, true)).toMatchObject({ status: 200, isReusable: false });
  });

  test("has the first of several ETags, and all of what may come several times", () => {
    const head =
      'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nETag: "a"\r\netag: "b"\r\nVary: a\r\nvary: b\r\n__proto__: x\r\n\r\n';
    expect(readText(head)?.headers).toMatchObject({ etag: '"a"', vary: "a, b" });
  });

  test("keeps no more than the beginning of its document", () => {
    const text = `HTTP/1.1 500 No\r\ncontent-length: 200000\r\n\r\n${"a".repeat(200_000)}`;
    const pieces = Array.from({ length: 200 }, (_, n) => Buffer.from(text).subarray(n * 1_100, (n + 1) * 1_100));
    expect(readAll(pieces, false)?.document.length).toBe(64 * 1024);
  });
});
