import type {
  ChangeHint,
  ChangeOutcome,
  ClaimRequest,
  Counters,
  DueNotices,
  FileChange,
  FilePage,
  FileRecord,
  FinishedPart,
  Notice,
  NoticePage,
  RescueRequest,
  StateStore,
  Unsubscribe,
  UploadPage,
  UploadRecord,
} from "@bucketline/core";
import { Claims } from "./claims.ts";
import { Connections, ignore, within } from "./connections.ts";
import { CounterDeltas } from "./counters.ts";
import { Feed } from "./feed.ts";
import { FileTable } from "./files.ts";
import { prepare } from "./migrate.ts";
import { NoticeTable } from "./notices.ts";
import { type PostgresStateStoreOptions, quoted, type Settings, settingsOf } from "./options.ts";
import { OwnerTable } from "./owners.ts";
import { closed } from "./patience.ts";
import { statementsOf } from "./statements.ts";
import { Transactions } from "./transactions.ts";
import { UploadTable } from "./uploads.ts";

/** How long closing lets statements end that are under way. */
const CLOSE_MS = 3_000;
/** And its own last ones. */
const FAREWELL_MS = 1_000;

interface Session {
  readonly connections: Connections;
  readonly uploads: UploadTable;
  readonly files: FileTable;
  readonly owners: OwnerTable;
  readonly notices: NoticeTable;
  readonly transactions: Transactions;
  readonly claims: Claims;
  readonly feed: Feed;
}

/**
 * The ledger in a schema of a PostgreSQL database (14 or newer), for services on any number of hosts. A resolved write is
 * committed on the server, and as durable as the server is (`fsync`, replication). Leases run on the server's clock.
 *
 * When a connection breaks, calls go on by themselves on another one: reads are repeated, and of writes the store finds
 * out whether they happened. After `reconnectTimeoutMs` they fail with `STATE_UNAVAILABLE`.
 */
export class PostgresStateStore implements StateStore {
  readonly #settings: Settings;
  readonly #running = new Set<Promise<unknown>>();
  #opening: Promise<void> | undefined;
  #opened: Connections | undefined;
  #session: Session | undefined;
  /** Absent behind a pooler of transactions, where no session can listen. Throws `STATE_CLOSED` when the store is not open. */
  readonly subscribe?: (listener: (hint: ChangeHint) => void) => Unsubscribe;

  /** @throws InputError `INVALID_OPTION` */
  constructor(options?: string | PostgresStateStoreOptions) {
    this.#settings = settingsOf(options);
    if (!this.#settings.transactionPooler) this.subscribe = (listener) => this.#require().feed.subscribe(listener);
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** Lets statements end that are under way, for three seconds. A pool that was handed in stays open. */
  async close(): Promise<void> {
    const [opening, session] = [this.#opening, this.#session];
    if (session === undefined) await this.#opened?.end();
    this.#session = undefined;
    await opening?.catch(ignore);
    this.#opening = undefined;
    if (!session) return;
    const { connections, feed, transactions } = session;
    connections.stop();
    await within(CLOSE_MS, Promise.allSettled(this.#running));
    await within(FAREWELL_MS, Promise.allSettled([feed.close(), transactions.forget()]));
    await connections.end();
  }

  insertUpload(upload: UploadRecord): Promise<boolean> {
    return this.#run(async ({ uploads, transactions, feed }) => {
      const isNew = await transactions.write((connection) => uploads.insert(connection, upload), upload);
      if (isNew) feed.changed([upload.id], true);
      return isNew;
    });
  }

  getUpload(id: string): Promise<UploadRecord | undefined> {
    return this.#run(({ connections, uploads }) => connections.read((connection) => uploads.get(connection, id)));
  }

  listUploads(page: UploadPage): Promise<UploadRecord[]> {
    return this.#run(({ connections, uploads }) => connections.read((connection) => uploads.list(connection, page)));
  }

  /** After `STATE_UNAVAILABLE`, call it with the same `after` to learn whether it happened. */
  updateUpload(before: UploadRecord, after: UploadRecord, notices: readonly Notice[] = []): Promise<boolean> {
    return this.#run(async ({ uploads, transactions, feed }) => {
      const isWritten = await transactions.write(
        (connection) => uploads.update(connection, before, after, notices),
        after,
      );
      if (isWritten) feed.changed([after.id], true);
      return isWritten;
    });
  }

  getFile(uploadId: string, path: string): Promise<FileRecord | undefined> {
    return this.#run(({ connections, files }) =>
      connections.read((connection) => files.get(connection, uploadId, path)),
    );
  }

  listFiles(uploadId: string, page: FilePage): Promise<FileRecord[]> {
    return this.#run(({ connections, files }) =>
      connections.read((connection) => files.list(connection, uploadId, page)),
    );
  }

  findFileByKey(uploadId: string, key: string): Promise<FileRecord | undefined> {
    return this.#run(({ connections, files }) =>
      connections.read((connection) => files.findByKey(connection, uploadId, key)),
    );
  }

  listParts(uploadId: string, path: string): Promise<FinishedPart[]> {
    return this.#run(({ connections, files }) =>
      connections.read((connection) => files.listParts(connection, uploadId, path)),
    );
  }

  counters(uploadId: string): Promise<Counters> {
    return this.#run(({ connections, files }) =>
      connections.read((connection) => files.counters(connection, uploadId)),
    );
  }

  /** @throws StateStoreError `UPLOAD_NOT_FOUND` for a file of an upload that was never inserted; then nothing is written */
  commit(changes: readonly FileChange[]): Promise<ChangeOutcome[]> {
    return this.#run(async ({ files, transactions, feed }) => {
      if (changes.length === 0) return [];
      const outcomes = await transactions.write(
        (connection, deltas) => files.commit(connection, deltas, changes),
        changes,
      );
      const applied = changes.filter((_, index) => outcomes[index] === "applied");
      feed.changed(
        applied.map(({ after }) => after.uploadId),
        false,
      );
      return outcomes;
    });
  }

  claim(request: ClaimRequest): Promise<FileRecord[]> {
    return this.#run(async ({ claims, feed }) => {
      const claimed = await claims.claim(request);
      if (claimed.length > 0) feed.changed([request.uploadId], false);
      return claimed;
    });
  }

  nextDue(uploadId: string): Promise<number | undefined> {
    return this.#run(({ connections, files }) => connections.read((connection) => files.nextDue(connection, uploadId)));
  }

  heartbeat(owner: string, leaseMs: number): Promise<void> {
    return this.#run(({ connections, owners }) =>
      connections.read((connection) => owners.heartbeat(connection, owner, leaseMs)),
    );
  }

  rescue(request: RescueRequest): Promise<FileRecord[]> {
    return this.#run(async ({ connections, owners, transactions, feed }) => {
      if (request.limit <= 0 || !(await connections.read((connection) => owners.isAnyStale(connection)))) return [];
      const rescued = await transactions.write((connection, deltas) => owners.rescue(connection, deltas, request));
      feed.changed(
        rescued.map((file) => file.uploadId),
        true,
      );
      return rescued;
    });
  }

  retire(owner: string): Promise<void> {
    return this.#run(({ connections, owners }) => connections.read((connection) => owners.retire(connection, owner)));
  }

  isAlive(owner: string): Promise<boolean> {
    return this.#run(({ connections, owners }) => connections.read((connection) => owners.isAlive(connection, owner)));
  }

  getNotice(id: string): Promise<Notice | undefined> {
    return this.#run(({ connections, notices }) => connections.read((connection) => notices.get(connection, id)));
  }

  listNotices(page: NoticePage): Promise<Notice[]> {
    return this.#run(({ connections, notices }) => connections.read((connection) => notices.list(connection, page)));
  }

  dueNotices(request: DueNotices): Promise<Notice[]> {
    return this.#run(({ connections, notices }) => connections.read((connection) => notices.due(connection, request)));
  }

  nextNotice(subscriber: string): Promise<number | undefined> {
    return this.#run(({ connections, notices }) =>
      connections.read((connection) => notices.next(connection, subscriber)),
    );
  }

  /** After `STATE_UNAVAILABLE`, call it with the same `after` (of a removal: the same `before`) to learn whether it happened. */
  updateNotice(before: Notice, after: Notice | null): Promise<boolean> {
    return this.#run(async ({ notices, transactions, feed }) => {
      const isWritten = await transactions.write(
        (connection) => notices.update(connection, before, after),
        notices.identityOf(before, after),
      );
      // Whoever delivers may be another host.
      const isRevived = isWritten && before.state === "DEAD" && after?.state === "DUE";
      if (isRevived) feed.changed([after.payload.uploadId], true);
      return isWritten;
    });
  }

  async #open(): Promise<void> {
    const connections = new Connections(this.#settings);
    this.#opened = connections;
    try {
      await connections.persist(() => connections.use((connection) => prepare(connection, this.#settings)));
    } catch (error) {
      await connections.end();
      throw error;
    }
    const statements = statementsOf(quoted(this.#settings.schema));
    const notices = new NoticeTable(statements);
    const uploads = new UploadTable(this.#settings.schema, statements, notices, () => connections.generation);
    const files = new FileTable(uploads, notices, statements);
    const transactions = new Transactions(connections, statements, () => new CounterDeltas());
    this.#session = {
      ...{ connections, uploads, files, notices, transactions },
      owners: new OwnerTable(uploads, files, statements),
      claims: new Claims(connections, transactions, uploads, files),
      feed: new Feed(connections, statements),
    };
  }

  async #run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const running = work(this.#require());
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  #require(): Session {
    if (this.#session) return this.#session;
    throw closed(this.#settings.place);
  }
}
