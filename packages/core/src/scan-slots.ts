import pLimit, { type LimitFunction } from "p-limit";

const ON_ONE_DEVICE = 2;
const AT_ONCE = 8;

/** Bounds how many scans run at once: so many on one device, that a slow one holds up only its own, and so many in all. */
export class ScanSlots {
  readonly #all = pLimit(AT_ONCE);
  readonly #devices = new Map<string, LimitFunction>();

  /** @param device anything that names it; unknown ones want a name of their own */
  async run<T>(device: string, scan: () => Promise<T>): Promise<T> {
    const slots = this.#devices.get(device) ?? pLimit(ON_ONE_DEVICE);
    this.#devices.set(device, slots);
    try {
      // Whoever waits for its device takes no place from others.
      return await slots(() => this.#all(scan));
    } finally {
      if (slots.activeCount + slots.pendingCount === 0) this.#devices.delete(device);
    }
  }
}
