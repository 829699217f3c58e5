import { DROP_FOLDERS, type DropFolder } from "../../src/drop-folders.ts";
import { type Process, SOURCE, type World } from "./bed.ts";

/** What lies in a folder below the source, by path. */
export function filesIn(world: World, folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (at: string, below: string) => {
    for (const name of world.volume.existsSync(at) ? (world.volume.readdirSync(at) as string[]) : []) {
      const path = below === "" ? name : `${below}/${name}`;
      const entry = world.volume.lstatSync(`${at}/${name}`);
      if (entry.isDirectory()) look(`${at}/${name}`, path);
      else if (entry.isFile()) found[path] = String(world.volume.readFileSync(`${at}/${name}`));
    }
  };
  look(folder, "");
  return found;
}

/** Where every file is, as `ls` shows it. */
export function listing(world: World): Record<DropFolder, Record<string, string>> {
  const of = (name: DropFolder) => filesIn(world, `${SOURCE}/${name}`);
  return Object.fromEntries(DROP_FOLDERS.map((name) => [name, of(name)])) as Record<DropFolder, Record<string, string>>;
}

/** Refuses, for good, every object of this key. */
export function refuse(process: Process, key: string, error: () => Error): void {
  const when = (request: { readonly key: string }) => request.key === key;
  process.objects.inject({ method: "putObject", times: Number.POSITIVE_INFINITY, when, before: error });
}
