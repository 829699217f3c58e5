import { expect } from "vitest";
import { crc32Of, formatCrc32 } from "../../src/checksum.ts";
import type { Finding, RegisterOptions, VerifyOptions } from "../../src/index.ts";
import { BUCKET, type Process, World } from "./bed.ts";

/** A report without findings, but for how many files were looked for. */
export const CLEAN = { uploadId: "u", missing: 0, different: 0, extra: 0, requeued: 0 };

/** A world in whose bucket others write, too. */
export class SharedWorld extends World {
  /** A process that has uploaded these files. */
  async uploaded(files: Record<string, string>, options: Partial<RegisterOptions> = {}): Promise<Process> {
    for (const [path, content] of Object.entries(files)) this.write(path, content);
    const process = this.boot();
    await process.upload(options);
    return process;
  }

  /** A process that has uploaded so many files, all of which have gone from the bucket since. */
  async robbed(count: number): Promise<Process> {
    const names = Array.from({ length: count }, (_, index) => `f${index}`);
    const process = await this.uploaded(Object.fromEntries(names.map((name) => [name, name])));
    this.destroy(...names.map((name) => `u/${name}`));
    return process;
  }

  /** Findings in the order of their keys. */
  async verify({ service }: Process, options: VerifyOptions = {}) {
    const findings: Finding[] = [];
    const onFinding = (finding: Finding) => void findings.push(finding);
    const report = await this.until(service.verify("u", { onFinding, ...options }));
    findings.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { report, findings, kinds: findings.map(({ kind, key }) => `${kind} ${key}`) };
  }

  /** Somebody else writes to the bucket. */
  async overwrite(key: string, content: string): Promise<void> {
    const body = Buffer.from(content);
    const checksum = formatCrc32(crc32Of(body));
    await this.store.putObject({ bucket: BUCKET, key, body, checksum, settings: {}, token: "not ours" });
  }

  destroy(...keys: string[]): void {
    for (const key of keys) expect(this.buckets.get(BUCKET)?.objects.delete(key), key).toBe(true);
  }

  /** Changes what the bucket says of an object, or puts a copy of it under another key. */
  disguise(key: string, changes: object, newKey = key): void {
    const objects = this.buckets.get(BUCKET)?.objects;
    const object = objects?.get(key);
    if (!object) throw new Error(`There is no object ${key}.`);
    objects?.set(newKey, { ...object, key: newKey, ...changes });
  }
}
