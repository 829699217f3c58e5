import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { newNotice, ObjectStoreError } from "@bucketline/core";
import { FakeFolderWatcher } from "@bucketline/core/testing";
import { Bed, BUCKET } from "../../test/support/bed.ts";
import { Receiver, SECRET } from "../../test/support/receiver.ts";
import { weakBucket } from "./weak-bucket.ts";

const PHOTOS = 400;
const KIB = 1024;
/** How long each photo takes to send: long enough to be seen on its way. */
const PHOTO_MS = 500;

/** A service such as somebody may run: uploads in every state, one of them under way. */
export class Scene {
  readonly bed: Bed;
  readonly #receiver: Receiver;

  private constructor(bed: Bed, receiver: Receiver) {
    this.bed = bed;
    this.#receiver = receiver;
  }

  static async open(): Promise<Scene> {
    const bucket = weakBucket();
    const receiver = await Receiver.open();
    const watcher = new FakeFolderWatcher();
    const bed = await Bed.open({
      service: { objects: bucket.port, watcher, progressInterval: 250 },
      server: { webhooks: [{ name: "operations", url: receiver.url, secret: SECRET }] },
    });
    const forbidden = { kind: "rejected", operation: "putObject", bucket: BUCKET } as const;
    bucket.inject({
      method: "putObject",
      times: Infinity,
      when: ({ key }) => /statement-0[37]/.test(key),
      before: () => new ObjectStoreError(forbidden, "the bucket's policy does not admit tagged objects"),
    });
    bucket.inject({
      method: "putObject",
      times: Infinity,
      when: ({ key }) => key.startsWith("photo-archive/"),
      delayMs: PHOTO_MS,
    });
    const scene = new Scene(bed, receiver);
    await scene.#fill();
    await scene.#register(watcher);
    return scene;
  }

  async close(): Promise<void> {
    await this.bed.close();
    await this.#receiver.close();
  }

  /** Begins the upload that is under way while it is looked at. */
  async sendPhotos(): Promise<void> {
    const settings = {
      upload_id: "photo-archive",
      mode: "watch",
      pattern: ["**/*.{jpg,cr3}"],
      bandwidth_limit: 50 * KIB ** 2,
    };
    await this.bed.create("media/photos", settings);
  }

  async #fill(): Promise<void> {
    for (let number = 0; number < PHOTOS; number += 1)
      await this.#write(
        `media/photos/2026/${number % 2 ? "harbour" : "mountains"}/DSC_${4100 + number}.jpg`,
        500 + ((number * 37) % 400),
      );
    for (let number = 1; number <= 24; number += 1)
      await this.#write(`finance/inbox/statement-${String(number).padStart(2, "0")}.pdf`, 90 + number);
    for (let day = 10; day < 22; day += 1) await this.#write(`backups/nightly/2026-11-${day}.dump.zst`, 3000 + day);
    for (let number = 0; number < 40; number += 1) await this.#write(`lab/spectra/run-${number}.h5`, 120);
    for (const name of ["index.html", "app.css", "app.js"]) await this.#write(`www/public/${name}`, 30);
  }

  async #write(path: string, kibibytes: number): Promise<void> {
    await this.bed.write(path);
    await truncate(join(this.bed.root, path), kibibytes * KIB);
  }

  async #register(watcher: FakeFolderWatcher): Promise<void> {
    const { bed } = this;
    const upload = async (id: string, folder: string, settings: object = {}) => {
      await bed.create(folder, { upload_id: id, mode: "watch", ...settings });
      await bed.service.finished(id).catch(() => {});
    };
    await upload("website", "www/public", {
      mode: "once",
      key_template: "site/{path}",
      object: { cache_control: "max-age=600" },
    });
    await upload("lab-spectra", "lab/spectra", { schedule: "0 3 * * *", active_hours: "22:00-06:00", priority: -5 });
    await bed.service.pause("lab-spectra");
    await upload("nightly-backups", "backups/nightly", { pattern: "*.zst" });
    await upload("statements", "finance/inbox", {
      key_template: "statements/{yyyy}/{path}",
      object: { tags: { team: "finance" } },
    });
    await upload("old-import", "www/public", { mode: "once", key_template: "old/{path}" });
    await bed.service.cancel("old-import");
    watcher.degrade(join(bed.root, "backups/nightly"));
    this.#giveUp();
  }

  /** A notice that could not be delivered. */
  #giveUp(): void {
    const reason = {
      code: "NOTICE_UNDELIVERED",
      message: "Webhook operations answered 503 Service Unavailable.",
    } as const;
    const payload = { uploadId: "statements", state: "FAILED", reason: null } as const;
    const now = Date.now() - 27 * 3_600_000;
    const notice = newNotice({ id: "notice-1", subscriber: "operations", event: "upload:failed", payload }, now);
    this.bed.ledger.apply({ notice: { ...notice, state: "DEAD", attempts: 8, reason } });
  }
}
