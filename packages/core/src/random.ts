import { randomUUID } from "node:crypto";
import type { Random } from "./ports/clock.ts";

export const systemRandom: Random = () => Math.random();

/** A name that nobody else has. */
export function newId(): string {
  return randomUUID();
}
