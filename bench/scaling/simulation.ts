import { partCount, planPartSize } from "../../packages/core/src/parts.ts";
import { type SizeMix, seeded, sizes } from "./sizes.ts";

/** What one file costs, measured beforehand or said on the command line. */
export interface Costs {
  /** Seconds of CPU of the service per file, its row in the ledger included. */
  readonly cpuPerFile: number;
  /** Seconds of CPU of the service per byte. */
  readonly cpuPerByte: number;
  /** Seconds of CPU of the database server per file; 0 where the service is its own. */
  readonly databasePerFile: number;
  /** Bytes of a file's row and its share of the indexes. */
  readonly bytesPerRow: number;
}

/** How the work is spread. */
export interface Layout {
  readonly name: string;
  readonly hosts: number;
  /** Uploads, each with a key prefix of its own, dealt out to the hosts in turn. */
  readonly uploads: number;
  /** Database servers that the uploads are spread over; 0: a ledger of its own on each host. */
  readonly databases: number;
  readonly costs: Costs;
}

export interface World {
  readonly files: number;
  readonly mix: SizeMix;
  readonly seed: number;
  /** Bytes. */
  readonly chunkSize: number;
  /** Seconds of CPU per second: the event loop of one process has one core. */
  readonly cores: number;
  readonly databaseCores: number;
  /** Bytes per second of one host. */
  readonly network: number;
  /** Requests of one host under way at once. */
  readonly requests: number;
  /** Seconds until a request is answered, without its body. */
  readonly latency: number;
  /** Bytes per second of one connection. */
  readonly connection: number;
  /** PUT, COPY, POST and DELETE per second and prefix. */
  readonly writesPerPrefix: number;
  /** Share of requests that have to be repeated. */
  readonly failing: number;
}

export const RESOURCES = ["CPU", "network", "latency", "S3 prefix", "database"] as const;
export type Resource = (typeof RESOURCES)[number];

export interface Outcome {
  readonly files: number;
  readonly bytes: number;
  /** Files that went in parts. */
  readonly inParts: number;
  /** Requests that S3 bills as PUT. */
  readonly writes: number;
  /** Requests that S3 bills as GET. */
  readonly reads: number;
  readonly seconds: number;
  readonly ledgerBytes: number;
  /** Share of the hosts' seconds that each resource ended. */
  readonly limits: Readonly<Record<Resource, number>>;
}

/** Largest object parts and counts of Amazon S3. */
const LIMITS = { minPartSize: 5 * 2 ** 20, maxPartSize: 5 * 2 ** 30, maxParts: 10_000, maxPutSize: 5 * 2 ** 30 };

/** Something that fills up by so much per second, holds no more than that, and may be overdrawn by what has begun. */
class Budget {
  readonly #perSecond: number;
  #left = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  tick(): void {
    this.#left = Math.min(this.#perSecond, this.#left + this.#perSecond);
  }

  take(amount: number): void {
    this.#left -= amount;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }
}

class Prefix {
  readonly writes: Budget;
  readonly database: Budget | undefined;
  left: number;

  constructor(files: number, writes: Budget, database: Budget | undefined) {
    this.left = files;
    this.writes = writes;
    this.database = database;
  }
}

class Host {
  readonly cpu: Budget;
  readonly network: Budget;
  readonly latency: Budget;
  readonly prefixes: Prefix[] = [];
  #turn = 0;

  constructor({ cores, network, requests }: World) {
    this.cpu = new Budget(cores);
    this.network = new Budget(network);
    this.latency = new Budget(requests);
  }

  /** The next upload with work that may go on; or what stands against it; or nothing when all is done. */
  next(): Prefix | Resource | undefined {
    if (this.cpu.isSpent) return "CPU";
    if (this.network.isSpent) return "network";
    if (this.latency.isSpent) return "latency";
    let against: Resource | undefined;
    for (let tried = 0; tried < this.prefixes.length; tried++) {
      this.#turn = (this.#turn + 1) % this.prefixes.length;
      const prefix = this.prefixes[this.#turn];
      if (!prefix || prefix.left === 0) continue;
      if (prefix.database?.isSpent) against ??= "database";
      else if (prefix.writes.isSpent) against ??= "S3 prefix";
      else return prefix;
    }
    return against;
  }
}

/**
 * Sends every file, second by second, each with a size of its own, until what it needs is used up for this second: CPU,
 * network and requests under way of its host, requests per second of its prefix, CPU of its database.
 */
export function simulate(layout: Layout, world: World): Outcome {
  const random = seeded(world.seed);
  const nextSize = sizes(world.mix, random);
  const { hosts, prefixes, databases } = build(layout, world);
  const limits: Record<Resource, number> = { CPU: 0, network: 0, latency: 0, "S3 prefix": 0, database: 0 };
  const sum = { files: 0, bytes: 0, inParts: 0, writes: 0, reads: 0 };
  let seconds = 0;
  while (sum.files < world.files) {
    seconds += 1;
    for (const budget of databases) budget.tick();
    for (const { writes } of prefixes) writes.tick();
    for (const host of hosts) {
      for (const budget of [host.cpu, host.network, host.latency]) budget.tick();
      let next = host.next();
      for (; next instanceof Prefix; next = host.next()) {
        const sent = send(nextSize(), host, next, layout.costs, world, random);
        sum.files += 1;
        sum.bytes += sent.size;
        sum.inParts += sent.parts > 0 ? 1 : 0;
        sum.writes += sent.writes;
        sum.reads += sent.reads;
      }
      if (next) limits[next] += 1;
    }
  }
  const spent = Object.values(limits).reduce((a, b) => a + b, 0);
  for (const name of RESOURCES) limits[name] = spent > 0 ? limits[name] / spent : 0;
  return { ...sum, seconds, ledgerBytes: sum.files * layout.costs.bytesPerRow, limits };
}

function build({ hosts: count, uploads, databases: servers }: Layout, world: World) {
  const hosts = Array.from({ length: count }, () => new Host(world));
  const databases = Array.from({ length: servers }, () => new Budget(world.databaseCores));
  const prefixes = Array.from({ length: uploads }, (_, number) => {
    const files = Math.floor(world.files / uploads) + (number < world.files % uploads ? 1 : 0);
    return new Prefix(files, new Budget(world.writesPerPrefix), databases[number % servers]);
  });
  // Every host works on every upload it can reach: on all of one database, or on its own.
  for (const [number, prefix] of prefixes.entries()) {
    for (const [place, host] of hosts.entries())
      if (servers > 0 ? place % servers === number % servers : place === number % count) host.prefixes.push(prefix);
  }
  return { hosts, prefixes, databases };
}

function send(size: number, host: Host, prefix: Prefix, costs: Costs, world: World, random: () => number) {
  const partSize = planPartSize(size, world.chunkSize, LIMITS);
  const parts = partSize === null ? 0 : partCount(size, partSize);
  // In parts: one HEAD before and one after, and besides the parts a beginning and a completion.
  const reads = parts > 0 ? 2 : 0;
  let writes = parts > 0 ? parts + 2 : 1;
  let repeated = 0;
  for (let request = 0; request < writes; request++) if (random() < world.failing) repeated += 1;
  const bytes = size + (repeated * size) / Math.max(1, parts);
  writes += repeated;
  host.cpu.take(costs.cpuPerFile + bytes * costs.cpuPerByte);
  host.network.take(bytes);
  host.latency.take((writes + reads) * world.latency + bytes / world.connection);
  prefix.writes.take(writes);
  prefix.database?.take(costs.databasePerFile);
  prefix.left -= 1;
  return { size, parts, writes, reads };
}
