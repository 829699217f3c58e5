import type { Checksum } from "./checksum.ts";
import type { Reason } from "./errors.ts";
import { emitFile } from "./events.ts";
import { type Evidence, FILE_STATES, type FileRecord, reduceFile } from "./file.ts";
import { InFlight } from "./in-flight.ts";
import { type KeyTemplate, keyTemplateOf } from "./keys.ts";
import { knownFiles } from "./known-files.ts";
import { comparePaths } from "./paths.ts";
import type { ListedObject, ObjectFacts } from "./ports/object-store.ts";
import { isTokenOf, type TransferContext } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";

/** What is, or should be, under a key. */
export interface ObjectView {
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
  /** Null where the store did not report one. */
  readonly checksum: Checksum | null;
}

/** One difference between ledger and bucket. Plain JSON. */
export interface Finding {
  /**
   * `missing`: an UPLOADED file without its object · `different`: its key holds something else ·
   * `extra`: an object below the upload's own prefix that no file of the upload accounts for.
   */
  readonly kind: "missing" | "different" | "extra";
  /** Of the file; null for an extra object. */
  readonly path: string | null;
  readonly key: string;
  /** What the evidence says; null for an extra object. */
  readonly expected: ObjectView | null;
  /** What the bucket holds; null when it is missing. */
  readonly found: ObjectView | null;
}

/** How a verification went. Plain JSON. */
export interface VerificationReport {
  readonly uploadId: string;
  /** UPLOADED files that were looked for. */
  readonly checkedFiles: number;
  readonly missing: number;
  readonly different: number;
  /** Null when they cannot be told from other people's objects: the upload has no folder of its own in the bucket. */
  readonly extra: number | null;
  /** Files that were queued again. */
  readonly requeued: number;
}

/** Settings of `UploadService.verify`. */
export interface VerifyOptions {
  /** Asks for every object by itself, and so compares its CRC32 too. Default false. */
  readonly deep?: boolean | undefined;
  /** Queues missing and different files again. Default false: nothing is written. */
  readonly repair?: boolean | undefined;
  /** Told of each finding, in no particular order, a repaired one once that is durable. What it throws ends the verification. */
  readonly onFinding?: ((finding: Finding) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VerificationOptions extends VerifyOptions {
  readonly context: Pick<TransferContext, "objects" | "state" | "ledger" | "clock" | "emit">;
  readonly upload: UploadRecord;
  /** Called before a file is queued: the upload must be open before it gets work. */
  readonly onWork: () => Promise<void>;
  /** Called once a file is queued and durable: opens again what was finished meanwhile, and has it worked on. */
  readonly onQueued: () => Promise<void>;
}

const HEADS_AT_ONCE = 8;
/** Objects that may turn out to be extra, held in memory until the ledger has been asked for all of them in one pass. */
const SUSPECTS = 5_000;
/** Other people's keys that a listing may show, and how many more for each file, until asking per file is cheaper. */
const FOREIGN_KEYS = 10_000;
const FOREIGN_KEYS_PER_FILE = 100;

const NOT_UPLOADED = FILE_STATES.filter((state) => state !== "UPLOADED");

/**
 * Compares what the ledger says is in the bucket with what is there. Memory does not grow with the number of files. A
 * file that is changed or sent meanwhile is no finding: its record is read again, or written with compare and set, after
 * the bucket was asked.
 * @throws whatever the stores fail with · the signal's reason
 */
export async function verifyUpload(options: VerificationOptions): Promise<VerificationReport> {
  return await new Verification(options).run();
}

class Verification {
  readonly #options: VerificationOptions;
  readonly #template: KeyTemplate;
  readonly #inFlight: InFlight;
  readonly #found = { missing: 0, different: 0, extra: 0 };
  #checkedFiles = 0;
  #foreignKeys = 0;
  #requeued = 0;

  constructor(options: VerificationOptions) {
    this.#options = options;
    this.#template = keyTemplateOf(options.upload);
    this.#inFlight = new InFlight(HEADS_AT_ONCE, options.signal);
  }

  async run(): Promise<VerificationReport> {
    await this.#inFlight.run(async () => {
      await this.#checkBucket();
      await (this.#template.ordered ? this.#merge() : this.#askForEach());
    });
    const { missing, different, extra } = this.#found;
    return {
      uploadId: this.#options.upload.id,
      checkedFiles: this.#checkedFiles,
      missing,
      different,
      extra: this.#template.exclusive ? extra : null,
      requeued: this.#requeued,
    };
  }

  /** HEAD of an object cannot tell a missing bucket from a missing object: every file would seem to be gone. */
  async #checkBucket(): Promise<void> {
    const { bucket, object } = this.#options.upload.spec;
    const { expectedBucketOwner } = object;
    await this.#options.context.objects.checkBucket({ bucket, expectedBucketOwner, signal: this.#inFlight.signal });
  }

  /**
   * Files and listing side by side, both in key order. A store that lists in another order costs requests, but no finding
   * is wrong: what the listing does not settle is asked for by itself.
   */
  async #merge(): Promise<void> {
    const { context, upload } = this.#options;
    const { prefix, exclusive } = this.#template;
    const listing = this.#list();
    try {
      let next = await listing.next();
      for await (const file of knownFiles(context.state, upload.id, ["UPLOADED"])) {
        const key = `${prefix}${file.path}`;
        while (!next.done && comparePaths(next.value.key, key) < 0) {
          await this.#unclaimed(next.value);
          next = this.#listingPays() ? await listing.next() : await listing.return();
        }
        const listed = !next.done && next.value.key === key ? next.value : undefined;
        if (listed) next = await listing.next();
        await this.#check(file, listed);
      }
      for (; exclusive && !next.done; next = await listing.next()) await this.#unclaimed(next.value);
    } finally {
      await listing.return();
    }
  }

  /** For keys in another order than their paths. */
  async #askForEach(): Promise<void> {
    const { context, upload } = this.#options;
    for await (const file of knownFiles(context.state, upload.id, ["UPLOADED"])) await this.#check(file, undefined);
    if (!this.#template.exclusive) return;
    const suspects = new Map<string, ListedObject>();
    for await (const listed of this.#list()) {
      if (await context.state.findFileByKey(upload.id, listed.key)) continue;
      suspects.set(listed.key, listed);
      if (suspects.size >= SUSPECTS) await this.#tellExtras(suspects);
    }
    if (suspects.size > 0) await this.#tellExtras(suspects);
  }

  async *#list(): AsyncGenerator<ListedObject, void, void> {
    const { context, upload, deep } = this.#options;
    const { prefix, exclusive } = this.#template;
    if (deep && !exclusive) return;
    const { bucket, object } = upload.spec;
    const { expectedBucketOwner } = object;
    yield* context.objects.listObjects({ bucket, prefix, expectedBucketOwner, signal: this.#inFlight.signal });
  }

  #listingPays(): boolean {
    return this.#foreignKeys <= FOREIGN_KEYS + FOREIGN_KEYS_PER_FILE * this.#checkedFiles;
  }

  async #check(file: FileRecord, listed: ListedObject | undefined): Promise<void> {
    this.#inFlight.signal.throwIfAborted();
    this.#checkedFiles++;
    if (!this.#options.deep && listed && isRecorded(file.evidence, listed)) return;
    await this.#inFlight.add(() => this.#examine(file));
  }

  /** Asks for the object, and again for as long as the file moves on between the question and the verdict. */
  async #examine(file: FileRecord): Promise<void> {
    const { context, upload } = this.#options;
    const { bucket, object } = upload.spec;
    let known: FileRecord | undefined = file;
    while (known?.state === "UPLOADED") {
      const address = { bucket, key: keyOf(known), expectedBucketOwner: object.expectedBucketOwner };
      const found = await context.objects.headObject({ ...address, signal: this.#inFlight.signal });
      if (found && this.#isProven(known, found)) return;
      if (await this.#isSettled(known, found)) return this.#tell(findingOf(known, found));
      known = await context.state.getFile(known.uploadId, known.path);
    }
  }

  #isProven(file: FileRecord, object: ObjectFacts): boolean {
    const { evidence } = file;
    if (!evidence || object.size !== evidence.size) return false;
    // The same bytes under another ETag: copied onto themselves, or encrypted anew.
    if (object.checksum !== undefined) return object.checksum === evidence.checksum;
    if (isRecorded(evidence, object)) return true;
    const { checksums } = this.#options.context.objects.capabilities;
    return !checksums && isTokenOf(object.token, file, evidence.fingerprint);
  }

  /** Whether the ledger still says what the bucket disproves; repairing, it then no longer does. */
  async #isSettled(file: FileRecord, found: ObjectFacts | undefined): Promise<boolean> {
    const { context, repair, onWork, onQueued } = this.#options;
    if (!repair) return (await context.state.getFile(file.uploadId, file.path))?.revision === file.revision;
    await onWork();
    this.#inFlight.signal.throwIfAborted();
    const action = { type: "disproved", reason: reasonFor(keyOf(file), found) } as const;
    const after = reduceFile(file, action, context.clock.now());
    if ((await context.ledger.offer({ before: file, after })) === "conflict") return false;
    this.#requeued++;
    emitFile(context.emit, action, after);
    await onQueued();
    return true;
  }

  /** An object that belongs to no UPLOADED file, as far as the listing can tell. Keys stand in the order of paths. */
  async #unclaimed(listed: ListedObject): Promise<void> {
    const { context, upload } = this.#options;
    if (!this.#template.exclusive) {
      this.#foreignKeys++;
      return;
    }
    const path = listed.key.slice(this.#template.prefix.length);
    await this.#inFlight.add(async () => {
      const file = await context.state.getFile(upload.id, path);
      if (!file || !this.#keysOf(file).includes(listed.key)) this.#tell(extraOf(listed));
    });
  }

  /** Tells which of the suspects are extra, and clears them. Nobody can ask the ledger for a key of the past. */
  async #tellExtras(suspects: Map<string, ListedObject>): Promise<void> {
    const { context, upload } = this.#options;
    for await (const file of knownFiles(context.state, upload.id, NOT_UPLOADED)) {
      for (const key of this.#keysOf(file)) suspects.delete(key);
    }
    for (const listed of suspects.values()) {
      this.#inFlight.signal.throwIfAborted();
      if (!(await context.state.findFileByKey(upload.id, listed.key))) this.#tell(extraOf(listed));
    }
    suspects.clear();
  }

  /** The keys whose objects a file accounts for, whoever wrote them. */
  #keysOf(file: FileRecord): string[] {
    const keys = [file.key, file.evidence?.key ?? ""];
    if (file.reason?.code === "OBJECT_EXISTS") keys.push(this.#template.key(file.path, file.mtimeNs));
    return keys;
  }

  #tell(finding: Finding): void {
    this.#found[finding.kind]++;
    this.#options.onFinding?.(finding);
  }
}

/** Whether this is the object that the write was answered with. */
function isRecorded(evidence: Evidence | null, object: Pick<ListedObject, "size" | "etag">): boolean {
  return evidence !== null && object.size === evidence.size && object.etag === evidence.etag && object.etag !== "";
}

function keyOf(file: FileRecord): string {
  return file.evidence?.key ?? file.key;
}

function findingOf(file: FileRecord, found: ObjectFacts | undefined): Finding {
  const { path, evidence } = file;
  const kind = found ? "different" : "missing";
  return { kind, path, key: keyOf(file), expected: evidence && viewOf(evidence), found: found ? viewOf(found) : null };
}

function extraOf(listed: ListedObject): Finding {
  return { kind: "extra", path: null, key: listed.key, expected: null, found: viewOf(listed) };
}

function viewOf(object: Omit<ObjectView, "checksum"> & { readonly checksum?: Checksum | undefined }): ObjectView {
  return { size: object.size, etag: object.etag, checksum: object.checksum ?? null };
}

function reasonFor(key: string, found: ObjectFacts | undefined): Reason {
  return found
    ? { code: "INTEGRITY", message: `The bucket holds another object under ${key} than was sent.` }
    : { code: "OBJECT_NOT_FOUND", message: `The object ${key} is not in the bucket any more.` };
}
