import { SeededRandom } from "../../../core/sim/random.ts";
import { BreakingProxy, type Cut } from "../breaking-proxy.ts";

/** The whole of the message: BEGIN says "READ COMMITTED". */
const COMMIT = "COMMIT\0";

/** Of a call, that its connection breaks at COMMIT, if it comes to that: most claims find nothing. */
const CUT: Readonly<Partial<Record<string, number>>> = {
  insertUpload: 0.1,
  updateUpload: 0.1,
  updateNotice: 0.1,
  commit: 0.05,
  claim: 0.01,
  rescue: 0.1,
};
/** That all break with it, and no new one can be made until the store has given up. */
const OUTAGE = 0.3;
/** Of any call, that all connections of its process are ended while it is under way. */
const TERMINATION = 0.01;

/** What a seed lets happen to connections. */
export class Breaks {
  readonly proxy: BreakingProxy;
  readonly #random: SeededRandom;
  readonly #hasOutages: boolean;
  #isOver = false;
  /** Outages that have not ended. */
  #closed = 0;
  terminations = 0;
  outages = 0;

  private constructor(proxy: BreakingProxy, seed: number, hasOutages: boolean) {
    this.proxy = proxy;
    this.#hasOutages = hasOutages;
    this.#random = new SeededRandom(seed ^ 0xb4ea);
  }

  static async open(address: string, seed: number, hasOutages: boolean): Promise<Breaks> {
    return new Breaks(await BreakingProxy.open(address), seed, hasOutages);
  }

  /** Makes a call, perhaps on a connection that breaks at its COMMIT. */
  async cut<T>(method: string, work: () => Promise<T>): Promise<T> {
    const likelihood = CUT[method];
    if (this.#isOver || likelihood === undefined || !this.#random.chance(likelihood)) return await work();
    const cut = this.#random.pick<Cut>(["before", "after"]);
    const isOutage = this.#random.chance(OUTAGE) && this.#hasOutages;
    const end = this.#arm(cut, isOutage);
    try {
      return await work();
    } finally {
      end();
    }
  }

  /** Makes a call, and perhaps calls `terminate` at some moment before its answer. */
  async terminated<T>(work: () => Promise<T>, terminate: () => Promise<void>): Promise<T> {
    if (this.#isOver || !this.#random.chance(TERMINATION)) return await work();
    this.terminations += 1;
    const [answer] = await Promise.allSettled([work(), terminate()]);
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  }

  stop(): void {
    this.#isOver = true;
  }

  /** @returns disarms, and ends the outage */
  #arm(cut: Cut, isOutage: boolean): () => void {
    let isArmed = true;
    let isOut = false;
    this.proxy.cutAt(COMMIT, cut, () => {
      if (!isArmed || !isOutage) return;
      isOut = true;
      this.outages += 1;
      this.#closed += 1;
      this.proxy.isClosed = true;
      this.proxy.breakAll();
    });
    return () => {
      isArmed = false;
      this.proxy.spare();
      if (isOut) this.#closed -= 1;
      this.proxy.isClosed = this.#closed > 0;
    };
  }
}
