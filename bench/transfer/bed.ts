import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clients, type NodeSetup } from "./clients.ts";
import { makeFiles } from "./files.ts";
import type { Client } from "./job.ts";
import { type Machine, machine } from "./results.ts";
import { Sink } from "./sink/sink.ts";

const told = (what: string) => process.stderr.write(`${what}\n`);

/** Everything that rows share: files to send, the sink, the clients. Removed when the process ends. */
export class Bed {
  readonly folder: string;
  readonly sink: Sink;
  readonly setup: NodeSetup;
  readonly clients: ReadonlyMap<string, Client>;
  /** As it was before the first measurement: later its load is our own. */
  readonly machine: Machine = machine();
  readonly #trees = new Map<string, string>();

  private constructor(folder: string, sink: Sink, setup: NodeSetup) {
    this.folder = folder;
    this.sink = sink;
    this.setup = setup;
    this.clients = new Map(clients(setup).map((client) => [client.name, client]));
  }

  static async open(options: { folder?: string | undefined; dataPath?: string | undefined }): Promise<Bed> {
    const folder = mkdtempSync(join(options.folder ?? tmpdir(), "bucketline-bench-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    const setup = { built: isBuilt(), cache: join(folder, "compiled"), dataPath: options.dataPath };
    told(
      `Bucketline runs from ${setup.built ? "the built packages" : "its sources: there is no build of them as they are"}`,
    );
    return new Bed(folder, await Sink.start(folder), setup);
  }

  /** A folder of such files, made when it is first asked for. */
  tree(files: number, bytes: number): string {
    const name = `tree-${files}-${bytes}`;
    const known = this.#trees.get(name);
    if (known !== undefined) return known;
    const root = join(this.folder, name);
    told(`making ${files.toLocaleString("en-US")} files of ${bytes.toLocaleString("en-US")} bytes`);
    makeFiles(root, files, bytes);
    this.#trees.set(name, root);
    return root;
  }

  dropTree(files: number, bytes: number): void {
    const name = `tree-${files}-${bytes}`;
    const known = this.#trees.get(name);
    if (known !== undefined) rmSync(known, { recursive: true });
    this.#trees.delete(name);
  }

  /** An empty folder for one client. */
  scratch(name: string): string {
    const folder = join(this.folder, "scratch", name.replaceAll(/[^A-Za-z0-9]+/g, "-"));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  async close(): Promise<void> {
    await this.sink.close();
  }
}

/** Whether the packages that are measured have been built since their sources changed. */
function isBuilt(): boolean {
  return ["core", "store-sqlite"].every((name) => {
    const path = (part: string) => fileURLToPath(new URL(`../../packages/${name}/${part}`, import.meta.url));
    if (!existsSync(path("dist/index.js"))) return false;
    return newest(path("src")) <= statSync(path("dist/index.js")).mtimeMs;
  });
}

function newest(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.max(...entries.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs));
}
