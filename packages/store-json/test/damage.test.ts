import { type BucketlineError, StateStoreError } from "@bucketline/core";
import { beforeAll, describe, expect, test } from "vitest";
import { dump, Machine, MachineDisk, NAMES, Owner, Succession } from "./machine.ts";

const GROUPS = 4;

/** The bytes of a folder. */
type Files = ReadonlyMap<string, Buffer>;

const filesOf = (machine: Machine): Files => new Map([...machine.files].map(([name, { bytes }]) => [name, bytes]));

function put(files: Files, name: string, bytes: Uint8Array): Machine {
  return Machine.of([...files].map(([other, old]) => [other, other === name ? bytes : old]));
}

async function open(machine: Machine): Promise<string | BucketlineError> {
  const opening = Owner.open(new MachineDisk(machine), new Succession(100).next());
  return opening.then(
    (owner) => dump(owner.state),
    (error: unknown) => {
      if (error instanceof StateStoreError) return error;
      throw error;
    },
  );
}

const codeOf = (found: string | BucketlineError) => (typeof found === "string" ? "opened" : found.code);

/** Refused, and every file as it was. */
async function expectRefusal(machine: Machine, where: string, codes = ["STATE_CORRUPT"]): Promise<void> {
  const before = filesOf(machine);
  const found = await open(machine);
  expect(codes, where).toContain(codeOf(found));
  expect(filesOf(machine), where).toEqual(before);
}

/** Snapshot with content; journal 1.2 goes on from it, journal 2.1 from that one and is the newest. */
let files: Files;
/** After each group of the newest journal, the state. */
let states: string[];
/** Where each line of the newest journal ends. */
let ends: number[];
const [snapshot, older, newest] = [
  NAMES.state,
  NAMES.journal({ generation: 1, number: 2 }),
  NAMES.journal({ generation: 2, number: 1 }),
];
const bytesOf = (name: string) => files.get(name) ?? Buffer.alloc(0);

beforeAll(async () => {
  const machine = new Machine();
  const succession = new Succession();
  const first = await Owner.open(new MachineDisk(machine), succession.next());
  await first.write(first.next("a"));
  await (await first.saved.beginFold(first.state))(() => {});
  await first.write(first.next("b"));
  const second = await Owner.open(new MachineDisk(machine), succession.next());
  states = [dump(second.state)];
  for (let n = 0; n < GROUPS; n++) {
    await second.write(second.next("c\n\u2028\ud800"));
    states.push(dump(second.state));
  }
  files = filesOf(machine);
  ends = [...bytesOf(newest).entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at + 1);
  expect([...files.keys()].sort()).toEqual([snapshot, older, newest].sort());
  expect(ends.length).toBe(GROUPS + 1);
  expect(await open(Machine.of(files))).toBe(states.at(-1));
});

describe("the newest journal's end", () => {
  const wholeBefore = (length: number) => states[ends.filter((end) => end <= length).length - 1];

  test("cut at every byte: the groups before the cut are there", async () => {
    for (let length = ends[0] ?? 0; length <= bytesOf(newest).length; length++) {
      const cut = put(files, newest, bytesOf(newest).subarray(0, length));
      expect(await open(cut), `cut at ${length}`).toBe(wholeBefore(length));
    }
  });

  test("zero from every byte on, with and without the old length: the groups before that are there", async () => {
    for (let length = ends[0] ?? 0; length < bytesOf(newest).length; length++) {
      const zeroed = Buffer.from(bytesOf(newest)).fill(0, length);
      expect(await open(put(files, newest, zeroed)), `zero from ${length}`).toBe(wholeBefore(length));
      const longer = Buffer.concat([zeroed, Buffer.alloc(length % 9)]);
      expect(await open(put(files, newest, longer)), `zero from ${length}, and longer`).toBe(wholeBefore(length));
    }
  });

  test("any byte of the last line wrong: that line was torn", async () => {
    for (let at = ends.at(-2) ?? 0; at < bytesOf(newest).length; at++) {
      const torn = Buffer.from(bytesOf(newest));
      torn[at] = 0x5a;
      expect(await open(put(files, newest, torn)), `byte ${at}`).toBe(states.at(-2));
    }
  });

  test("what was torn is never read again, whatever is written later", async () => {
    const machine = put(files, newest, bytesOf(newest).subarray(0, -5));
    const succession = new Succession(10);
    const owner = await Owner.open(new MachineDisk(machine), succession.next());
    await owner.write(owner.next("d"));
    const again = await Owner.open(new MachineDisk(machine), succession.next());
    expect(dump(again.state)).toBe(dump(owner.state));
  });
});

describe("damage anywhere else is refused and left as it is", () => {
  test("any byte wrong in the newest journal before its last line", async () => {
    // Without the newline in front of it the last line is one with the line before, and that one is torn.
    for (let at = 0; at < (ends.at(-2) ?? 0) - 1; at++) {
      const damaged = Buffer.from(bytesOf(newest));
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      await expectRefusal(put(files, newest, damaged), `byte ${at}`);
    }
  });

  test("any byte wrong in the journal before, and that journal cut anywhere", async () => {
    const bytes = bytesOf(older);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      await expectRefusal(put(files, older, damaged), `byte ${at}`);
      await expectRefusal(put(files, older, bytes.subarray(0, at)), `cut at ${at}`);
    }
  });

  test("any byte wrong in the snapshot, and the snapshot cut anywhere", async () => {
    const bytes = bytesOf(snapshot);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 2;
      // The version is a byte, too.
      await expectRefusal(put(files, snapshot, damaged), `byte ${at}`, ["STATE_CORRUPT", "STATE_NEWER"]);
      await expectRefusal(put(files, snapshot, bytes.subarray(0, at)), `cut at ${at}`);
    }
  });

  test("something after the snapshot's end", async () => {
    for (const more of ["{}", "\n", "{}\n"]) {
      await expectRefusal(put(files, snapshot, Buffer.concat([bytesOf(snapshot), Buffer.from(more)])), more);
    }
  });

  test("a line of the journal gone, doubled or exchanged for another", async () => {
    const bytes = bytesOf(newest);
    const lines = ends.map((end, n) => bytes.subarray(ends[n - 1] ?? 0, end));
    const [head, a, b, c, d] = lines as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const orders = { gone: [head, a, c, d], doubled: [head, a, a, b, c, d], exchanged: [head, b, a, c, d] };
    for (const [name, order] of Object.entries(orders)) {
      await expectRefusal(put(files, newest, Buffer.concat(order)), name);
    }
  });

  test("a file gone, and journals that belong to another snapshot", async () => {
    const without = (...gone: string[]) => Machine.of([...files].filter(([name]) => !gone.includes(name)));
    await expectRefusal(without(snapshot), "snapshot");
    await expectRefusal(without(older), "older journal");
    await expectRefusal(without(older, newest), "both journals");
    const stranger = new Machine();
    await Owner.open(new MachineDisk(stranger), new Succession().next());
    const foreign = filesOf(stranger).get(snapshot) ?? Buffer.alloc(0);
    await expectRefusal(put(files, snapshot, foreign), "an older snapshot");
    const renamed = new Map([...files, [NAMES.journal({ generation: 3, number: 1 }), bytesOf(newest)] as const]);
    await expectRefusal(Machine.of(renamed), "a renamed journal");
  });

  test("an older copy of the state beside journals that go on from a later one", async () => {
    const machine = new Machine();
    const succession = new Succession();
    const copies: Buffer[] = [];
    for (const label of ["first", "second"]) {
      const owner = await Owner.open(new MachineDisk(machine), succession.next());
      await owner.write(owner.next(label));
      await owner.saved.foldWhole(owner.state);
      copies.push(filesOf(machine).get(snapshot) ?? Buffer.alloc(0));
    }
    const last = await Owner.open(new MachineDisk(machine), succession.next());
    await last.write(last.next("last"));
    expect(await open(machine.afterKill())).toBe(dump(last.state));
    await expectRefusal(put(filesOf(machine), snapshot, copies[0] ?? Buffer.alloc(0)), "the copy before");
  });
});
