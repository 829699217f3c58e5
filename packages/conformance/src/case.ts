/** One case of a suite. It needs no test runner: `for (const c of cases) test(c.name, c.run)`. */
export interface ConformanceCase {
  readonly name: string;
  /** Resolves when the case holds; rejects with an AssertionError that says what does not. */
  run(): Promise<void>;
}
