import pLimit from "p-limit";
import { takenAway } from "./after-upload.ts";
import { Assessor, disbelief } from "./assess.ts";
import { guardDeletes } from "./delete-guard.ts";
import type { Reason } from "./errors.ts";
import { Forecast, type Foreseen, onTakenKey, PLAN_ACTIONS, type PlanAction, type PlanItem } from "./forecast.ts";
import { KnownFiles } from "./known-files.ts";
import { type Belief, Merge } from "./merge.ts";
import { isHeld, neighboursOf } from "./neighbours.ts";
import { compilePatterns } from "./patterns.ts";
import { PlannedKeys } from "./planned-keys.ts";
import type { Clock } from "./ports/clock.ts";
import type { SourceRoot } from "./ports/file-system.ts";
import type { ObjectStore } from "./ports/object-store.ts";
import type { StateStore } from "./ports/state-store.ts";
import type { ScanRequest } from "./scan-run.ts";
import { scan } from "./scanner.ts";
import { stabilityPolicy } from "./stability.ts";
import { isTokenOf } from "./transfer.ts";
import type { UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

export interface PassOptions extends ScanRequest {
  /**
   * Asks the bucket, with one HEAD for each file that would be sent to a key at which the ledger knows no object, whether
   * there is one. Default: false. No request is made then, and such a file is an `upload`.
   */
  readonly askBucket?: boolean;
}

/** Files and bytes. */
export interface PlanCount {
  readonly files: number;
  readonly bytes: number;
}

/** Plain JSON. */
export interface PlanTotals {
  readonly uploadId: string;
  /** Sums of the plan's items. */
  readonly actions: Readonly<Record<PlanAction, PlanCount>>;
  /** False when a file or folder could not be read. */
  readonly complete: boolean;
  /** Why nothing is taken for gone although it is not there: the folder may not be the right one. */
  readonly doubt: Reason | null;
  /** Why none of the objects of `delete` items would be deleted this time; null: they would, if there are any. */
  readonly deletesHeld: Reason | null;
}

export interface PassContext {
  readonly state: StateStore;
  readonly uploads: Uploads;
  readonly objects: ObjectStore;
  readonly clock: Clock;
  /** Milliseconds. */
  readonly stabilityThreshold: number;
}

/** What is looked at. */
export interface PassTarget {
  readonly upload: UploadRecord;
  readonly root: SourceRoot;
  readonly signal: AbortSignal;
}

const HEADS_AT_ONCE = 8;

/** One look at the folder, the ledger and, if asked to, the bucket. Only reads. */
export class PlanPass {
  readonly #context: PassContext;
  readonly #options: PassOptions;
  readonly #target: PassTarget;
  readonly #belief: Belief;
  readonly #keys: PlannedKeys;
  readonly #assessor: Assessor;
  readonly #merge: Merge;
  readonly #forecast: Forecast;
  readonly #counts = new Map<PlanAction, PlanCount>();
  /** Deletes, as long as another file of the upload may still take over the key. */
  readonly #heldBack: PlanItem[] = [];
  #others: readonly string[] | undefined;

  constructor(context: PassContext, options: PassOptions, target: PassTarget) {
    const { state, clock, stabilityThreshold } = context;
    const { upload, root } = target;
    this.#context = context;
    this.#options = options;
    this.#target = target;
    const device = String(root.facts.dev);
    const knownDevice = upload.lastScan?.device ?? device;
    this.#belief = {
      sameDevice: knownDevice === device,
      trusted: options.trustFolder ?? false,
      isTakenAway: takenAway(upload.spec),
    };
    const stability = stabilityPolicy(upload.spec, stabilityThreshold);
    this.#assessor = new Assessor({ upload, clock, stability });
    this.#keys = new PlannedKeys(state, upload.id);
    this.#merge = new Merge(new KnownFiles(state, upload.id), this.#belief);
    this.#forecast = new Forecast({ upload, assessor: this.#assessor, keys: this.#keys, clock });
  }

  async *items(): AsyncGenerator<PlanItem, void, void> {
    const { root, signal, upload } = this.#target;
    const { spec } = upload;
    if (this.#options.askBucket) await this.#checkBucket();
    const entries = scan(root, {
      filter: compilePatterns(spec),
      followLinks: spec.symlinks === "follow",
      signal,
    });
    for await (const meetings of this.#merge.meetings(entries)) {
      signal.throwIfAborted();
      const foreseen: Foreseen[] = [];
      for (const meeting of meetings) {
        const one = await this.#forecast.foresee(meeting);
        if (one) foreseen.push(one);
      }
      for (const item of await this.#settleAll(foreseen)) yield this.#count(item);
    }
    for (const item of this.#heldBack) {
      signal.throwIfAborted();
      yield this.#count(await this.#unlessHeld(item));
    }
  }

  /** Once `items` is over. */
  totals(): PlanTotals {
    const { complete, doubt } = this.#merge;
    const of = (action: PlanAction) => [action, this.#counts.get(action) ?? { files: 0, bytes: 0 }] as const;
    const actions = Object.fromEntries(PLAN_ACTIONS.map(of)) as Record<PlanAction, PlanCount>;
    return { uploadId: this.#target.upload.id, actions, complete, doubt, deletesHeld: this.#deletesHeld() };
  }

  #deletesHeld(): Reason | null {
    const { due, unchanged } = this.#forecast;
    if (due === 0) return null;
    const { complete, seen, doubt } = this.#merge;
    const reason = disbelief({ complete, seen, doubt, ...this.#belief });
    const { upload } = this.#target;
    return reason ?? guardDeletes({ due, uploaded: unchanged }, upload, this.#options.allowDeletes ?? false);
  }

  #count(item: PlanItem): PlanItem {
    const { files, bytes } = this.#counts.get(item.action) ?? { files: 0, bytes: 0 };
    this.#counts.set(item.action, { files: files + 1, bytes: bytes + item.size });
    return item;
  }

  /** Asks for what the upload's own records cannot tell. */
  async #settleAll(foreseen: readonly Foreseen[]): Promise<readonly PlanItem[]> {
    const settled: Foreseen[] = [];
    for (const one of foreseen) {
      if (one.item.action !== "delete") settled.push(one);
      else if (this.#assessor.template.injective) settled.push({ item: await this.#unlessHeld(one.item) });
      else this.#heldBack.push(one.item);
    }
    if (!this.#options.askBucket) return settled.map(({ item }) => item);
    const limit = pLimit(HEADS_AT_ONCE);
    return await Promise.all(settled.map(({ item, sent }) => (sent ? limit(() => this.#ask(item, sent)) : item)));
  }

  /** The object is left to another file that has its key, or takes it over. */
  async #unlessHeld(item: PlanItem): Promise<PlanItem> {
    const { state, uploads } = this.#context;
    const { upload } = this.#target;
    const key = item.key ?? "";
    this.#others ??= (await neighboursOf(upload, uploads.inStates({}))).filter((id) => id !== upload.id);
    const own = this.#assessor.template.injective ? undefined : await this.#keys.holder(key);
    return own !== undefined || (await isHeld(state, this.#others, key)) ? { ...item, action: "remove" } : item;
  }

  async #ask(item: PlanItem, { file, fingerprint }: NonNullable<Foreseen["sent"]>): Promise<PlanItem> {
    const { signal, upload } = this.#target;
    const { bucket, object, overwrite } = upload.spec;
    signal.throwIfAborted();
    const address = { bucket, key: file.key, expectedBucketOwner: object.expectedBucketOwner, signal };
    const found = await this.#context.objects.headObject(address);
    // These very bytes, sent by us and never recorded: a worker knows them again.
    return found && !isTokenOf(found.token, file, fingerprint) ? onTakenKey(item, overwrite) : item;
  }

  /** HEAD of an object cannot tell a missing bucket from a missing object. */
  async #checkBucket(): Promise<void> {
    const { signal, upload } = this.#target;
    const { bucket, object } = upload.spec;
    const { expectedBucketOwner } = object;
    await this.#context.objects.checkBucket({ bucket, expectedBucketOwner, signal });
  }
}
