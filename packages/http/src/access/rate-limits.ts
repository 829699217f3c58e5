import { InputError } from "@bucketline/core";
import rateLimit, { normalizeIP } from "@fastify/rate-limit";
import type { FastifyRequest } from "fastify";
import type { App } from "../context.ts";
import { HttpError } from "../errors.ts";
import type { HttpOptions } from "../options.ts";

interface Limit {
  readonly max: number;
  /** Milliseconds. */
  readonly window: number;
}

const DEFAULT_LIMIT: Limit = { max: 3000, window: 10_000 };
/** Wrong credentials per address. Guessing goes on for years at this rate; somebody who mistypes a token does not notice it. */
const FAILURE_LIMIT: Limit = { max: 20, window: 60_000 };

export interface RateLimits {
  /** Counts a request of its principal, else of its address. @throws HttpError `RATE_LIMITED` */
  countRequest(request: FastifyRequest): Promise<void>;
  /** Counts a wrong credential of this address. */
  countFailure(request: FastifyRequest): Promise<void>;
  /** Before a credential is looked at. @throws HttpError `RATE_LIMITED` when too many of this address were wrong */
  checkFailures(request: FastifyRequest): Promise<void>;
}

/**
 * Addresses are those of the connection, or with Fastify's `trustProxy` those the proxy tells; of IPv6, a network of 64 bits counts
 * as one.
 * @throws InputError `INVALID_OPTION`
 */
export async function rateLimits(app: App, option: HttpOptions["rateLimit"]): Promise<RateLimits> {
  const limit = limitOption(option);
  await app.register(rateLimit, { global: false });
  const counter = ({ max, window }: Limit, keyGenerator: (request: FastifyRequest) => string) =>
    app.createRateLimit({ max, timeWindow: window, keyGenerator });
  const byAddress = counter(limit || DEFAULT_LIMIT, addressOf);
  const byPrincipal = counter(limit || DEFAULT_LIMIT, ({ principal }) => principal?.name ?? "");
  const failures = counter(FAILURE_LIMIT, addressOf);
  return {
    async countRequest(request) {
      if (limit === false) return;
      const found = await (request.principal ? byPrincipal : byAddress)(request);
      if (!found.isAllowed && found.isExceeded) throw limited(found.ttlInSeconds, "requests");
    },
    async countFailure(request) {
      await failures(request);
    },
    async checkFailures(request) {
      const found = await failures(request, { increment: false });
      if (!found.isAllowed && found.remaining === 0) throw limited(found.ttlInSeconds, "wrong credentials");
    },
  };
}

function limitOption(option: HttpOptions["rateLimit"]): Limit | false {
  if (option === false || option === undefined) return option ?? DEFAULT_LIMIT;
  if ([option.max, option.window].every((value) => Number.isSafeInteger(value) && value > 0)) return option;
  throw new InputError("INVALID_OPTION", "Option rateLimit needs whole numbers above 0 as max and window, or false.");
}

/** Empty on a Unix socket, whose callers are all the same. */
function addressOf({ ip }: FastifyRequest): string {
  return ip === undefined ? "" : normalizeIP(ip);
}

function limited(seconds: number, what: string): HttpError {
  const wait = String(Math.max(1, seconds));
  return new HttpError("RATE_LIMITED", `Too many ${what}. Go on in ${wait} s.`, { headers: { "retry-after": wait } });
}
