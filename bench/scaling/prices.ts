import type { Outcome } from "./simulation.ts";

/**
 * US dollars, S3 Standard in us-east-1 (https://aws.amazon.com/s3/pricing/, as of 2025): other regions and contracts
 * differ. Data in, AbortMultipartUpload and DELETE are free.
 */
const PRICES = {
  perWrite: 0.005 / 1000,
  perRead: 0.0004 / 1000,
  perList: 0.005 / 1000,
  /** Keys in one answer of ListObjectsV2. */
  keysPerList: 1000,
} as const;

/** GB of 10⁹ bytes and dollars per GB and month, each up to its bound. */
const STORAGE = [
  { upTo: 50_000, price: 0.023 },
  { upTo: 500_000, price: 0.022 },
  { upTo: Number.POSITIVE_INFINITY, price: 0.021 },
] as const;

export function requestCost({ writes, reads }: Pick<Outcome, "writes" | "reads">): number {
  return writes * PRICES.perWrite + reads * PRICES.perRead;
}

/** What a tool without a ledger pays to find out what is there: it lists, and where times are metadata it asks for each. */
export function lookCost(files: number): { readonly list: number; readonly heads: number } {
  return { list: Math.ceil(files / PRICES.keysPerList) * PRICES.perList, heads: files * PRICES.perRead };
}

export function storageCost(bytes: number): number {
  let gb = bytes / 1e9;
  let below = 0;
  let cost = 0;
  for (const { upTo, price } of STORAGE) {
    const here = Math.min(gb, upTo - below);
    cost += here * price;
    gb -= here;
    below = upTo;
  }
  return cost;
}
