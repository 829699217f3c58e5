import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Body } from "./body.ts";
import { ClientGone, ConnectionReset } from "./connection.ts";
import { understood } from "./dialect.ts";
import { alterReply } from "./fault-replies.ts";
import { type FaultCall, FaultPlan, type FaultTable } from "./faults.ts";
import { HANDLERS } from "./handlers.ts";
import { emptyReply, errorReply, type Reply, type ReplyIdentity, scriptedError } from "./reply.ts";
import { parseRequest, type RequestInfo } from "./request.ts";
import type { RequestLedger, RequestOutcome, RequestRecord } from "./requests.ts";
import { sendReply } from "./send.ts";
import { type Call, objectKey, type Service } from "./service.ts";
import { type Authentication, authenticate, type Verifier } from "./signature.ts";

export interface S3ServerOptions {
  service: Service;
  verifier: Verifier;
  faults: FaultTable;
  ledger: RequestLedger;
}

/** One request in progress. */
interface Exchange {
  message: IncomingMessage;
  response: ServerResponse;
  record: RequestRecord;
  identity: ReplyIdentity;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
}

/** Thrown to hold a request, unanswered, until its connection closes. */
class Silence extends Error {}

/** Speaks HTTP: authenticates, applies faults, runs the operation, answers, and keeps the ledger. */
export class S3Server {
  readonly #options: S3ServerOptions;
  readonly #http: Server;
  readonly #closing = new AbortController();
  readonly #active = new Set<Promise<void>>();

  constructor(options: S3ServerOptions) {
    this.#options = options;
    this.#http = createServer({ keepAliveTimeout: 20_000, requestTimeout: 0, joinDuplicateHeaders: false });
    this.#http.on("request", (message, response) => this.#begin(message, response, false));
    this.#http.on("checkContinue", (message, response) => this.#begin(message, response, true));
    this.#http.on("clientError", (_error, socket: Socket) => {
      if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      else socket.destroy();
    });
  }

  listen(port: number, host: string): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(port, host, () => {
        this.#http.removeListener("error", reject);
        resolve(this.#http.address() as AddressInfo);
      });
    });
  }

  /** Stops listening, cuts every connection and waits for requests in progress to let go of the storage. */
  async close(): Promise<void> {
    this.#closing.abort();
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    await closed;
    await Promise.all(this.#active);
  }

  #begin(message: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const { ledger, service } = this.#options;
    const path = message.url ?? "/";
    const record = ledger.open(message.method ?? "", path, service.settings.clock());
    const identity: ReplyIdentity = {
      requestId: randomBytes(8).toString("hex").toUpperCase(),
      hostId: randomBytes(24).toString("base64"),
      resource: path.replace(/\?.*$/, ""),
    };
    // An aborted request errors while nobody reads it; the exchange notices by itself.
    message.on("error", () => {});
    response.on("error", () => {});
    const task = this.#run({ message, response, record, identity, awaitsContinue })
      // Only a ledger that cannot be written gets here, and then no answer may look like success.
      .catch(() => message.socket.destroy())
      .then(() => void this.#active.delete(task));
    this.#active.add(task);
  }

  async #run(exchange: Exchange): Promise<void> {
    const { message, response, record } = exchange;
    try {
      const { reply, plan } = await this.#answer(exchange);
      await this.#send(exchange, reply, plan);
    } catch (error) {
      const outcome = outcomeOf(error, this.#closing.signal.aborted);
      this.#options.ledger.finish(record, outcome);
      if (outcome === "silent") await connectionClosed(message.socket, this.#closing.signal);
      cutConnection(message.socket, response.headersSent);
    }
  }

  async #answer(exchange: Exchange): Promise<{ reply: Reply; plan: FaultPlan }> {
    const { message, record, identity } = exchange;
    let plan = new FaultPlan([]);
    try {
      const info = parseRequest(message);
      Object.assign(record, ledgerFields(info));
      plan = await this.#options.faults.plan(faultCall(info, record.n));
      if (plan.description !== undefined) record.fault = plan.description;
      const reply = (await this.#arrivalFaults(exchange, plan)) ?? (await this.#execute(exchange, info, plan));
      await this.#departureFaults(plan, reply);
      return { reply: alterReply(reply, plan, identity), plan };
    } catch (error) {
      if (isInterruption(error) || this.#closing.signal.aborted) throw error;
      if (message.destroyed && !message.complete) throw new ClientGone(error);
      const reply = errorReply(error, identity);
      await this.#departureFaults(plan, reply);
      return { reply: alterReply(reply, plan, identity), plan };
    }
  }

  /** What faults do before any work. Returns the answer when that is all there is to it. */
  async #arrivalFaults({ message, identity, record }: Exchange, plan: FaultPlan): Promise<Reply | undefined> {
    const delay = plan.find("delay");
    if (delay) await sleep(delay.ms, undefined, { signal: this.#closing.signal });
    if (plan.find("resetBefore")) throw new ConnectionReset();
    const respond = plan.find("respond");
    if (respond) return scriptedError(respond, identity);
    const silence = plan.find("silence");
    const hidden = plan.find("okWithError");
    if ((!silence || silence.commit) && (!hidden || hidden.commit)) return undefined;
    for await (const chunk of message.iterator({ destroyOnReturn: false }))
      record.bytesReceived += (chunk as Buffer).length;
    if (silence) throw new Silence();
    return emptyReply(200);
  }

  async #departureFaults(plan: FaultPlan, reply: Reply): Promise<void> {
    const silent = plan.find("silence");
    if (!silent && !plan.find("loseResponse")) return;
    reply.onEnd?.();
    throw silent ? new Silence() : new ConnectionReset();
  }

  async #execute(exchange: Exchange, sent: RequestInfo, plan: FaultPlan): Promise<Reply> {
    const { message, response, record } = exchange;
    const { service, verifier } = this.#options;
    const authentication: Authentication = authenticate(sent, verifier);
    if (sent.refusal) throw sent.refusal;
    const info = understood(sent, service.settings.dialect);
    if (info.operation === "Unknown") throw new Error("A request without an operation has no refusal.");
    const body = new Body({
      message,
      parameters: info.parameters,
      authentication,
      plan,
      record,
      checksumOfObject: info.operation === "CompleteMultipartUpload",
      onStart: () => {
        if (exchange.awaitsContinue) response.writeContinue();
        exchange.awaitsContinue = false;
      },
    });
    const call: Call = { info, header: (name) => info.parameters.get(name), body, record };
    if (info.key !== undefined) objectKey(call);
    return HANDLERS[info.operation](service, call);
  }

  async #send(exchange: Exchange, reply: Reply, plan: FaultPlan): Promise<void> {
    const { message, response, record, identity, awaitsContinue } = exchange;
    const trickle = plan.find("trickle");
    try {
      record.status = reply.status;
      if (reply.errorCode !== undefined) record.errorCode = reply.errorCode;
      await sendReply({
        response,
        method: message.method ?? "GET",
        reply,
        identity,
        date: this.#options.service.settings.clock(),
        // Without its 100 Continue the body may or may not follow, so the connection cannot be used again.
        close: awaitsContinue,
        trickleMs: trickle?.intervalMs,
        signal: this.#closing.signal,
        onBytes: (count) => {
          record.bytesSent += count;
        },
        onComplete: () => this.#options.ledger.finish(record, "answered"),
      });
      // What is left of the body must be taken off the wire before the connection can serve another request.
      message.resume();
    } finally {
      reply.onEnd?.();
    }
  }
}

function isInterruption(error: unknown): boolean {
  return error instanceof ConnectionReset || error instanceof Silence || error instanceof ClientGone;
}

function outcomeOf(error: unknown, closing: boolean): RequestOutcome {
  if (error instanceof Silence) return "silent";
  return error instanceof ConnectionReset || closing ? "reset" : "aborted";
}

/** Sends RST, as a crashed server does; after the start of an answer it first lets what is written arrive. */
function cutConnection(socket: Socket, answering: boolean): void {
  if (answering) socket.destroySoon();
  else if (!socket.destroyed) socket.resetAndDestroy();
}

function connectionClosed(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || signal.aborted) return resolve();
    socket.once("close", () => resolve());
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function ledgerFields(info: RequestInfo): Partial<RequestRecord> {
  return {
    operation: info.operation,
    ...(info.bucket === undefined ? {} : { bucket: info.bucket }),
    ...(info.key === undefined ? {} : { key: info.key }),
    ...(info.uploadId === undefined ? {} : { uploadId: info.uploadId }),
    ...(info.partNumber === undefined ? {} : { partNumber: info.partNumber }),
  };
}

function faultCall(info: RequestInfo, n: number): FaultCall {
  const { operation, method, bucket, key, uploadId, partNumber, headers } = info;
  return { n, operation, method, bucket, key, uploadId, partNumber, headers };
}
