import { expect, test } from "vitest";
import { Disposal } from "../src/disposal.ts";
import { type FileRecord, sourceFacts } from "../src/file.ts";
import { MemoryFileSystem } from "../src/testing/index.ts";
import { file, Heard, upload } from "./support/records.ts";

const PATH = "a.txt";
const clock = { now: () => 1_000 };
const DELETING = upload({ afterUpload: "delete" });

/** A disk with one file, and a ledger that holds one record. */
async function bed() {
  const fileSystem = new MemoryFileSystem(clock, { root: DELETING.spec.sourceFolder });
  fileSystem.write(PATH, Buffer.from("first"));
  const look = async () => {
    const root = await fileSystem.openRoot(DELETING.spec.sourceFolder);
    const facts = await root.stat(PATH);
    if (!facts) throw new Error(`${PATH} is gone`);
    return sourceFacts(facts);
  };
  let recorded: FileRecord | undefined;
  const record = (fingerprint: string) => {
    recorded = file({ path: PATH, fingerprint, state: "UPLOADED", evidence: { fingerprint } as never });
  };
  const changed: string[] = [];
  const disposal = new Disposal({
    fileSystem,
    state: { getFile: async () => recorded },
    clock,
    emit: new Heard().emit,
    onChanged: ({ id }) => changed.push(id),
    onFree: () => {},
  });
  return { fileSystem, look, record, changed, disposal };
}

test("what a scan found is disposed of only as the file that the record speaks of", async () => {
  const { fileSystem, look, record, changed, disposal } = await bed();
  record((await look()).fingerprint);
  fileSystem.write(PATH, Buffer.from("second, which nobody has sent"));
  await disposal.settleFound(DELETING, PATH, await look());
  expect([fileSystem.paths, changed]).toEqual([[PATH], ["u"]]);
});

test("a file that another service has sent since the scan found an older one is disposed of", async () => {
  const { fileSystem, look, record, changed, disposal } = await bed();
  const found = await look();
  fileSystem.write(PATH, Buffer.from("second, which was sent"));
  record((await look()).fingerprint);
  await disposal.settleFound(DELETING, PATH, found);
  expect([fileSystem.paths, changed]).toEqual([[], []]);
});
