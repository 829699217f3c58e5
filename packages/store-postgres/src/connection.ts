import type pg from "pg";
import type { Cell, Row, Value } from "./rows.ts";
import { DriverError, isReadOnly } from "./state-error.ts";
import type { Statement } from "./statements.ts";

/** How much longer than the server we wait for the end of a statement that has run out of time. */
const GRACE_MS = 5_000;

/** Values stay as the server writes them, whatever parsers the application has set for its own queries. */
const AS_TEXT = { getTypeParser: () => (value: string) => value } as const;

/** One connection while it is ours. Statements run one after another. */
export class Connection {
  readonly #client: pg.ClientBase;
  readonly #timeoutMs: number;
  readonly #isNamed: boolean;
  /** Set once the connection cannot be used any more, or nobody knows what state it is in. */
  broken: Error | undefined;

  /** @param isNamed whether statements are prepared once per connection */
  constructor(client: pg.ClientBase, timeoutMs: number, isNamed: boolean) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.#isNamed = isNamed;
  }

  /** @throws DriverError */
  async query({ name, text }: Statement, values: readonly (Value | string)[] = []): Promise<Row[]> {
    const config = { text, values: [...values], rowMode: "array" as const, types: AS_TEXT };
    const { rows } = await this.#within(this.#client.query<Cell[]>(this.#isNamed ? { ...config, name } : config));
    return rows;
  }

  /**
   * Several statements in one message.
   * @returns the rows of the last one
   * @throws DriverError
   */
  async script(text: string, timeoutMs = this.#timeoutMs): Promise<Row[]> {
    const config = { text, rowMode: "array" as const, types: AS_TEXT };
    const result: unknown = await this.#within(this.#client.query<Cell[]>(config), timeoutMs);
    const last = (Array.isArray(result) ? result.at(-1) : result) as pg.QueryArrayResult<Cell[]>;
    return last.rows;
  }

  /** Leaves the transaction, if it can. */
  async rollBack(): Promise<void> {
    if (this.broken) return;
    try {
      await this.script("ROLLBACK");
    } catch {
      this.broken ??= new Error("ROLLBACK failed");
    }
  }

  /** A server that is cut off from us does not end our waiting by itself. */
  async #within<T>(answer: Promise<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const what = `Connection terminated by us: no answer for ${timeoutMs + GRACE_MS} ms`;
      timer = setTimeout(() => reject(new Error(what)), timeoutMs + GRACE_MS);
    });
    try {
      return await Promise.race([answer, late]);
    } catch (error) {
      // After an error that the server has told us the session goes on, unless it ends it; then the driver knows.
      if (!isServerError(error) || isReadOnly(error))
        this.broken ??= error instanceof Error ? error : new Error(String(error));
      throw new DriverError(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

function isServerError(error: unknown): boolean {
  return error instanceof Error && "severity" in error;
}
