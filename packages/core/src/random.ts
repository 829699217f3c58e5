import { randomUUID } from "node:crypto";
import type { Random } from "./ports/clock.ts";

/** The machine's random numbers, from 0 up to but not including 1. */
export const systemRandom: Random = () => Math.random();

/** A name that nobody else has. */
export function newId(): string {
  return randomUUID();
}
