import { randomUUID } from "node:crypto";
import { type Clock, type Random, ServiceError, systemClock, systemRandom, type UploadService } from "@bucketline/core";
import { HttpError } from "../errors.ts";
import { Courier, type CourierOptions, type Delivery } from "./courier.ts";
import { testMessage } from "./message.ts";
import type { Outcome } from "./request.ts";
import type { Endpoint } from "./settings.ts";

export interface WebhooksOptions {
  readonly service: UploadService;
  readonly log: CourierOptions["log"];
  readonly clock?: Clock;
  readonly random?: Random;
  readonly fetch?: typeof fetch;
}

/** The webhooks of one service: each has a courier of its own. */
export class Webhooks {
  readonly #service: UploadService;
  readonly #clock: Clock;
  readonly #couriers: ReadonlyMap<string, Courier>;
  readonly #listeners = new Set<(delivery: Delivery) => void>();
  #stopping: Promise<void> | undefined;

  /** From now on the service keeps what they must be told. @throws ServiceError `SERVICE_STARTED`, `SERVICE_STOPPED` */
  constructor(endpoints: readonly Endpoint[], options: WebhooksOptions) {
    const { service, log, clock = systemClock, random = systemRandom, fetch = globalThis.fetch } = options;
    this.#service = service;
    this.#clock = clock;
    const onDelivery = (delivery: Delivery) => {
      for (const listener of this.#listeners) listener(delivery);
    };
    const courierOptions = { outbox: service.outbox, log, clock, random, fetch, onDelivery };
    this.#couriers = new Map(endpoints.map((endpoint) => [endpoint.name, new Courier(endpoint, courierOptions)]));
    for (const { name, events } of endpoints) keep(service, name, events);
  }

  get couriers(): readonly Courier[] {
    return [...this.#couriers.values()];
  }

  /** Delivers from when the service has recovered what earlier runs left behind. */
  start(): void {
    if (this.#couriers.size === 0) return;
    const begin = () => {
      if (this.#stopping !== undefined) return;
      for (const courier of this.#couriers.values()) courier.start();
    };
    if (this.#service.status().started) begin();
    else this.#service.once("recovery:finished", begin);
  }

  /** Ends within seconds, whatever the receivers do. Calling it again does nothing. */
  async stop(): Promise<void> {
    this.#stopping ??= Promise.all(this.couriers.map((courier) => courier.stop())).then(() => {});
    await this.#stopping;
  }

  /** Calls the listener, which must not throw, for each delivery that has ended. */
  onDelivery(listener: (delivery: Delivery) => void): void {
    this.#listeners.add(listener);
  }

  /** Sends a signed message that tells nothing. @throws HttpError `WEBHOOK_NOT_FOUND` */
  async test(name: string): Promise<Outcome & { readonly id: string }> {
    const courier = this.#couriers.get(name);
    if (!courier) throw new HttpError("WEBHOOK_NOT_FOUND", `There is no webhook ${JSON.stringify(name)}.`);
    const id = `test_${randomUUID()}`;
    return { id, ...(await courier.test(testMessage(id, name, this.#clock.now()))) };
  }
}

function keep({ outbox }: UploadService, name: string, events: Endpoint["events"]): void {
  try {
    outbox.keepFor(name, events);
  } catch (error) {
    if (!(error instanceof ServiceError && error.code === "SERVICE_STARTED")) throw error;
    throw new ServiceError(
      "SERVICE_STARTED",
      `Webhook ${name} cannot be added to a service that has been started: what happened before would be lost. Call createServer(), or await app.register(bucketline, …), before service.start().`,
      { cause: error },
    );
  }
}
