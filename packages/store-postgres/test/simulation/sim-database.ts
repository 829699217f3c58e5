import { randomBytes } from "node:crypto";
import pg from "pg";

/** The database of simulated ledgers, whose clock shows what it is told. One ledger at a time. */
export class SimDatabase {
  readonly connectionString: string;
  readonly #pool: pg.Pool;
  readonly #clockSchema: string;
  #now = Number.NaN;
  #setting: Promise<unknown> = Promise.resolve();

  private constructor(connectionString: string, pool: pg.Pool, clockSchema: string) {
    this.connectionString = connectionString;
    this.#pool = pool;
    this.#clockSchema = clockSchema;
  }

  static async open(connectionString: string): Promise<SimDatabase> {
    const pool = new pg.Pool({ connectionString, max: 3 });
    // The end of a server that is stopped.
    pool.on("error", () => {});
    const schema = `sim_clock_${randomBytes(6).toString("hex")}`;
    await pool.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.clock (now timestamptz NOT NULL);
      INSERT INTO ${schema}.clock VALUES (pg_catalog.clock_timestamp());
      CREATE FUNCTION ${schema}.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
      $$ SELECT now FROM ${schema}.clock $$`);
    return new SimDatabase(connectionString, pool, schema);
  }

  /** @param base where a connection leads to @returns with the simulated clock before the server's own */
  address(base: string, applicationName: string): string {
    const options = encodeURIComponent(`-c search_path=${this.#clockSchema},pg_catalog`);
    return `${base}${base.includes("?") ? "&" : "?"}application_name=${applicationName}&options=${options}`;
  }

  /** @param ms since 1970 */
  async setTime(ms: number): Promise<void> {
    if (ms !== this.#now) {
      this.#now = ms;
      const text = `UPDATE ${this.#clockSchema}.clock SET now = to_timestamp($1::float8 / 1000)`;
      this.#setting = this.#pool.query({ name: "set_time", text, values: [ms] });
    }
    await this.#setting;
  }

  /** Ends all sessions of that name. */
  async terminate(applicationName: string): Promise<void> {
    const text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
    await this.#pool.query(text, [applicationName]);
  }

  async drop(schema: string): Promise<void> {
    await this.#pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  }

  async close(): Promise<void> {
    await this.drop(this.#clockSchema);
    await this.#pool.end();
  }
}
