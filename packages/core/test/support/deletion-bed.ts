import { type FileRecord, type RegisterOptions, reduceFile } from "../../src/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./bed.ts";

const MINUTE = 60_000;

/** A folder with three files, uploaded with `onSourceDelete: "delete"`, that is scanned only when asked. */
export class DeletionBed {
  readonly world = new World();
  process: Process;

  constructor() {
    for (const path of ["a", "d/b", "keep"]) this.world.write(path, path);
    this.process = this.boot();
  }

  boot(): Process {
    return this.world.boot({ monitorInterval: 1_000 * MINUTE, lease: 30_000, requestTimeout: 5 * MINUTE });
  }

  async start(options: Partial<RegisterOptions> = {}): Promise<void> {
    const { service } = this.process;
    await service.start();
    const wanted = { schedule: "manual", onSourceDelete: "delete" } as const;
    await service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET, ...wanted, ...options });
    await this.world.until(service.finished("u"));
  }

  /** As `start`, with so many files more: `many/0` … */
  async startWithMany(count: number, options: Partial<RegisterOptions> = {}): Promise<void> {
    for (let index = 0; index < count; index++) this.world.write(`many/${index}`, `${index}`);
    await this.start(options);
  }

  removeMany(count: number): void {
    for (let index = 0; index < count; index++) this.world.remove(`many/${index}`);
  }

  check(request = {}) {
    return this.world.until(this.process.service.check("u", request));
  }

  keys(): string[] {
    return Object.keys(this.world.bucket());
  }

  record(path: string): FileRecord | undefined {
    return this.world.files().find((file) => file.path === path);
  }

  /** How many files are gone and have objects that are still to be settled. */
  due(): number {
    return this.world.files().filter(({ state, evidence }) => state === "REMOVED" && evidence !== null).length;
  }

  warnings(code: string) {
    return this.process.named("warning").filter((warning) => warning.code === code);
  }

  /** As another service's worker does when it finds no file. */
  async recordAsRemoved(path: string): Promise<void> {
    const before = this.record(path);
    if (!before) throw new Error(`There is no record of ${path}.`);
    const after = reduceFile(before, { type: "remove" }, this.world.clock.now());
    await this.process.state.port.commit([{ before, after }]);
  }

  /** Does something when the removed files are listed: for the first time, when they are counted, to be deleted then. */
  whenListed(nth: number, happen: () => unknown): void {
    this.process.state.inject({
      method: "listFiles",
      nth,
      when: (_, page) => page.states?.[0] === "REMOVED",
      run: async ({ proceed }) => {
        await happen();
        return await proceed();
      },
    });
  }
}
