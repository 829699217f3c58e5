import { FILE_STATES, type FileState } from "@bucketline/core";
import { Client } from "pg";
import { FILE_CODE } from "../../src/states.ts";

/** A file's row as one write found or left it. */
export interface RowState {
  readonly state: FileState;
  readonly revision: number;
  readonly fence: number;
  /** The run of a host that holds it, such as `h2.1`; null: nobody. */
  readonly owner: string | null;
}

/** One write to one row. Of one path, in the order in which they happened. */
export interface Write {
  readonly path: string;
  /** The run of a host whose connection wrote; empty: none of theirs. */
  readonly writer: string;
  /** Milliseconds since 1970, by PostgreSQL's clock. */
  readonly at: number;
  /** Null: the row is new. */
  readonly before: RowState | null;
  /** Null: the row was deleted. */
  readonly after: RowState | null;
}

type Half = [state: number | null, revision: string, fence: string, owner: Buffer | null];
type AuditRow = [path: Buffer, writer: string | null, at: string, ...before: Half, ...after: Half];

const NAMES = new Map(FILE_STATES.map((state) => [FILE_CODE[state], state]));

/** Has PostgreSQL itself write down every change of a file's row, with who made it. */
export class Audit {
  readonly #client: Client;
  readonly #schema: string;

  constructor(connectionString: string, schema: string) {
    this.#client = new Client({ connectionString });
    this.#schema = schema;
  }

  /** The store's tables must be there. A trigger writes in the transaction of the change, while the row is locked. */
  async open(): Promise<void> {
    await this.#client.connect();
    const columns = ["state", "revision", "fence", "owner"];
    const table = `${this.#schema}.audit_log`;
    await this.#client.query(`
      CREATE TABLE ${table} (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, path bytea, writer text, at double precision,
        old_state int, old_revision bigint, old_fence bigint, old_owner bytea,
        new_state int, new_revision bigint, new_fence bigint, new_owner bytea
      );
      CREATE FUNCTION ${this.#schema}.audit() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO ${table} (path, writer, at, ${["old", "new"].flatMap((when) => columns.map((name) => `${when}_${name}`)).join(", ")})
        VALUES (
          coalesce(NEW.path, OLD.path), current_setting('hosts.sender', true), extract(epoch FROM clock_timestamp()) * 1000,
          ${["OLD", "NEW"].flatMap((row) => columns.map((name) => `${row}.${name}`)).join(", ")}
        );
        RETURN NULL;
      END $$;
      CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON ${this.#schema}.files
        FOR EACH ROW EXECUTE FUNCTION ${this.#schema}.audit();
    `);
  }

  async writes(): Promise<Write[]> {
    const text = `
      SELECT path, writer, at::text, old_state, old_revision, old_fence, old_owner, new_state, new_revision, new_fence, new_owner
      FROM ${this.#schema}.audit_log ORDER BY seq`;
    const { rows } = await this.#client.query<AuditRow>({ text, rowMode: "array" });
    return rows.map(([path, writer, at, ...halves]) => ({
      path: path.toString(),
      writer: writer ?? "",
      at: Number(at),
      before: rowState([halves[0], halves[1], halves[2], halves[3]]),
      after: rowState([halves[4], halves[5], halves[6], halves[7]]),
    }));
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}

function rowState([state, revision, fence, owner]: Half): RowState | null {
  if (state === null) return null;
  const name = NAMES.get(state);
  if (name === undefined) throw new Error(`The audit has a state numbered ${state}.`);
  // An owner's name is the run's and something unique.
  const holder = owner?.toString().split("#")[0] ?? null;
  return { state: name, revision: Number(revision), fence: Number(fence), owner: holder };
}

/** Writes that only somebody could make who no longer had the file, or never had it; each entry says what is wrong. */
export function untrueWrites(writes: readonly Write[]): string[] {
  const last = new Map<string, RowState>();
  return writes.flatMap((write) => {
    const known = last.get(write.path);
    if (write.after) last.set(write.path, write.after);
    const wrong = judge(write, known);
    return wrong === undefined ? [] : [`${write.path}: ${wrong}: ${JSON.stringify(write)}`];
  });
}

/**
 * | row was          | allowed                                                                               |
 * |------------------|---------------------------------------------------------------------------------------|
 * | not there        | anything free, by anybody                                                             |
 * | UPLOADED         | nothing: neither files nor bucket change                                              |
 * | IN_PROGRESS of A | A's own writes with the same fence; a release to PENDING with the same fence, by anybody |
 * | PENDING          | a claim by the writer for itself, fence one higher                                    |
 *
 * The revision goes up by one each time.
 */
function judge({ before, after, writer }: Write, known: RowState | undefined): string | undefined {
  if (!after) return "a row was deleted";
  if (!before) return after.state === "PENDING" && after.owner === null ? undefined : "a new row is not free";
  if (known?.revision !== before.revision) return "a write is missing";
  if (after.revision !== before.revision + 1) return "the revision does not go up by one";
  if (before.state === "UPLOADED") return "an UPLOADED row was written";
  if (before.state === "PENDING") {
    const claimed = after.state === "IN_PROGRESS" && after.owner === writer && after.fence === before.fence + 1;
    return claimed ? undefined : "a free row was written otherwise than by a claim";
  }
  if (before.state !== "IN_PROGRESS") return `a ${before.state} row was written`;
  if (after.fence !== before.fence) return "the fence of a held row changed";
  if (after.state === "PENDING") return after.owner === null ? undefined : "a released row has an owner";
  if (writer !== before.owner) return "a row was written by somebody who does not hold it";
  if (after.state === "IN_PROGRESS" && after.owner !== before.owner) return "a held row changed its owner";
  return undefined;
}

/** Rows that were released for their owner by somebody else. */
export function countRescues(writes: readonly Write[]): number {
  return writes.filter(
    ({ before, after, writer }) =>
      before?.state === "IN_PROGRESS" && after?.state === "PENDING" && before.owner !== writer,
  ).length;
}
