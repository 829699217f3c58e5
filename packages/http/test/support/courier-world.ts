import { type Notice, newNotice, UploadService } from "@bucketline/core";
import {
  FakeClock,
  faulty,
  MemoryBuckets,
  MemoryObjectStore,
  MemoryState,
  MemoryStateStore,
} from "@bucketline/core/testing";
import { onTestFinished } from "vitest";
import type { WebhookOptions } from "../../src/index.ts";
import { Courier, type Delivery } from "../../src/webhooks/courier.ts";
import { endpointsOf } from "../../src/webhooks/settings.ts";
import { SECRET } from "./receiver.ts";

export const SECOND = 1000;
export const HOUR = 3600 * SECOND;

/** A request to a receiver, which the test answers. */
export interface Call {
  readonly id: string;
  readonly at: number;
  readonly url: string;
  readonly body: string;
  readonly headers: Record<string, string>;
  answer(status: number, headers?: Record<string, string>, body?: ReadableStream | string): void;
  fail(code: string): void;
}

/** A ledger with notices, couriers of one process or several, and receivers that a test plays. Time is the test's. */
export class CourierWorld {
  readonly clock = new FakeClock();
  readonly ledger = new MemoryState();
  readonly calls: Call[] = [];
  readonly deliveries: Delivery[] = [];
  readonly logged: unknown[] = [];
  readonly faults: ReturnType<typeof faulty<MemoryStateStore>>["inject"][] = [];

  add(id: string, subscriber = "ops"): void {
    const payload = { uploadId: "u", state: "COMPLETED", reason: null } as const;
    this.ledger.apply({ notice: newNotice({ id, subscriber, event: "upload:completed", payload }, this.clock.now()) });
  }

  get notices(): Notice[] {
    return this.ledger.notices.list({ limit: 100 });
  }

  /** As another process, or the same one started again. */
  courier(options: Partial<WebhookOptions> = {}): Courier {
    const { clock, ledger: state } = this;
    const { port, inject } = faulty(new MemoryStateStore({ clock, state }));
    this.faults.push(inject);
    const objects = new MemoryObjectStore({ state: new MemoryBuckets(), clock });
    const service = new UploadService({ state: port, objects, clock });
    const [endpoint] = endpointsOf([{ name: "ops", url: "https://ops.example/hook", secret: SECRET, ...options }]);
    if (!endpoint) throw new Error("there is one");
    const log = (...facts: unknown[]) => void this.logged.push(facts);
    const courier = new Courier(endpoint, {
      outbox: service.outbox,
      clock,
      random: () => 0,
      fetch: (url, init) => this.#fetch(String(url), init),
      log: { warn: log, error: log },
      onDelivery: (delivery) => this.deliveries.push(delivery),
    });
    onTestFinished(async () => {
      const stopped = courier.stop();
      await clock.advance(5 * SECOND);
      await stopped;
      await service.stop();
    });
    courier.start();
    return courier;
  }

  /** Lets what is due happen. */
  async turn(ms = 0): Promise<void> {
    await this.clock.advance(ms);
  }

  call(index: number): Call {
    const call = this.calls.at(index);
    if (!call) throw new Error(`There is no call ${index}.`);
    return call;
  }

  #fetch(url: string, { headers, body, signal }: RequestInit = {}): Promise<Response> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      if (signal?.aborted) reject(signal.reason);
      const sent = headers as Record<string, string>;
      this.calls.push({
        id: String(sent["webhook-id"]),
        at: this.clock.now(),
        url,
        body: String(body),
        headers: sent,
        answer: (status, headers = {}, content) => resolve(new Response(content ?? null, { status, headers })),
        fail: (code) => reject(new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code }) })),
      });
    });
  }
}
