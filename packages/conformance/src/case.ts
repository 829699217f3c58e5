/** One case of a suite. It needs no test runner: `for (const c of cases) test(c.name, c.run)`. */
export interface ConformanceCase {
  readonly name: string;
  /**
   * The case makes thousands of calls, or waits for what may come late: give it a minute where a runner's limit is shorter.
   * The other cases make a few hundred calls at most.
   */
  readonly slow: boolean;
  /** Resolves when the case holds; rejects with an AssertionError that says what does not. */
  run(): Promise<void>;
}
