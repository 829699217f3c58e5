import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { printable } from "../output/printable.ts";
import { count } from "../output/quantities.ts";
import { type Check, type Discovery, ok, problem, reasonOf, skipped } from "./finding.ts";
import type { LedgerExamination } from "./scratch-ledger.ts";

/** Whether the roots that clients may name, and the folders of uploads that go on, are there and can be read. */
export const folderCheck: Check<LedgerExamination> = {
  name: "folders",
  async run({ config, ledger }) {
    const roots = config.values.roots ?? [];
    const uploads = (await ledger().catch(() => undefined))?.uploads;
    const sources = (uploads ?? [])
      .filter(({ state }) => state !== "CANCELLED" && state !== "COMPLETED")
      .map(({ spec }) => spec.sourceFolder);
    const folders = [...new Set([...roots, ...sources])];
    if (folders.length === 0)
      return [
        skipped(
          uploads
            ? "No allowed root is set, and no upload goes on."
            : "The ledger's uploads cannot be read; see above.",
        ),
      ];
    const found = await Promise.all(folders.map((folder) => assessFolder(folder, roots.includes(folder))));
    const wrong = found.filter((one) => one !== undefined);
    return wrong.length > 0
      ? wrong
      : [ok(`${count(folders.length, "folder")} can be read.`, { folders: folders.length })];
  },
};

async function assessFolder(folder: string, isRoot: boolean): Promise<Discovery | undefined> {
  const what = `${isRoot ? "The allowed root" : "The folder of an upload"} ${printable(folder)}`;
  const facts = { folder };
  try {
    if (!(await stat(folder)).isDirectory())
      return problem(`${what} is no folder.`, isRoot ? "Look at http.roots." : "Put the folder back.", facts);
    await access(folder, constants.R_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    const remedy = "Mount or make it, and give the user that runs Bucketline the right to read it.";
    return problem(`${what} cannot be read: ${printable(reasonOf(error))}`, remedy, facts);
  }
}
