import { MemoryState, type RecordWrite } from "@bucketline/core/memory";
import { expect, test } from "vitest";
import {
  dump,
  dumpWith,
  type Hook,
  Killed,
  Machine,
  MachineDisk,
  NAMES,
  Owner,
  Succession,
  seeded,
  systemError,
} from "./machine.ts";

const EMPTY = dump(new MemoryState());

/** What an owner has acknowledged, and what else may be there: a group of writes that was under way. */
interface Known {
  acknowledged: string;
  possible: string;
}

/** An owner's life: opens, writes, folds while it writes, folds whole. Ends early when a call is killed. */
async function live(
  disk: MachineDisk,
  succession: Succession,
  label: string,
  known: Known,
): Promise<Owner | undefined> {
  try {
    const owner = await Owner.open(disk, succession.next());
    const write = async () => {
      const writes = owner.next(label);
      known.possible = dumpWith(owner.state, writes, new MemoryState());
      await owner.write(writes);
      known.acknowledged = known.possible;
    };
    for (let n = 0; n < 5; n++) await write();
    const fold = (await owner.saved.beginFold(owner.state))(() => {});
    const folded = fold.then(
      () => [],
      (error: unknown) => [error],
    );
    for (let n = 0; n < 4; n++) await write();
    for (const error of await folded) throw error;
    await write();
    await owner.saved.foldWhole(owner.state);
    return owner;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return undefined;
  }
}

async function reopened(machine: Machine, succession: Succession, hook?: Hook): Promise<string> {
  return dump((await Owner.open(new MachineDisk(machine, hook), succession.next())).state);
}

const killAt = (last: number) => (operation: number) => {
  if (operation >= last) throw new Killed();
};

async function lengthOfALife(): Promise<number> {
  const disk = new MachineDisk(new Machine());
  await live(disk, new Succession(), "a", { acknowledged: EMPTY, possible: EMPTY });
  return disk.operations;
}

async function die(at: number) {
  const machine = new Machine();
  const succession = new Succession();
  const known = { acknowledged: EMPTY, possible: EMPTY };
  expect(await live(new MachineDisk(machine, killAt(at)), succession, "a", known)).toBeUndefined();
  return { machine, succession, known };
}

test("killed at any operation: what was acknowledged is there, and the next life goes on from it", async () => {
  const operations = await lengthOfALife();
  expect(operations).toBeGreaterThan(40);
  for (let at = 1; at <= operations; at++) {
    const { machine, succession, known } = await die(at);
    const found = await reopened(machine.afterKill(), succession);
    expect([known.acknowledged, known.possible], `killed at ${at}`).toContain(found);
    // A second death, at every step of the recovery, and a third owner.
    for (let again = 1; ; again++) {
      const rest = machine.afterKill();
      const second = await reopened(rest, succession, killAt(again)).catch((error: unknown) => error);
      expect(await reopened(rest.afterKill(), succession), `killed at ${at}, then at ${again}`).toBe(found);
      if (!(second instanceof Killed)) break;
    }
  }
});

test("power cut at any operation: what was acknowledged is there, whatever else reached the disk", async () => {
  const seed = Math.floor(Math.random() * 1e9) + 1;
  const random = seeded(seed);
  const operations = await lengthOfALife();
  for (let at = 1; at <= operations; at++) {
    const { machine, succession, known } = await die(at);
    for (let round = 0; round < 12; round++) {
      const rest = machine.afterPowerCut(random);
      const where = `seed ${seed}, cut at ${at}, round ${round}`;
      const found = await reopened(rest, succession).catch((error: unknown) => `${error}`);
      expect([known.acknowledged, known.possible], where).toContain(found);
      expect(await reopened(rest.afterPowerCut(random), succession), where).toBe(found);
    }
  }
});

test("an operation that fails: nothing of its group is there, later ones work, and all of that is found again", async () => {
  const operations = await lengthOfALife();
  for (let at = 1; at <= operations; at++) {
    for (const times of [1, 2, 5]) {
      const machine = new Machine();
      const succession = new Succession();
      const disk = new MachineDisk(machine, (operation) => {
        if (operation >= at && operation < at + times) throw systemError("ENOSPC", "write");
      });
      const patient = async <T>(call: () => Promise<T>): Promise<T> => {
        for (;;) {
          try {
            return await call();
          } catch (error) {
            expect(error).toMatchObject({ code: "ENOSPC" });
          }
        }
      };
      const owner = await patient(() => Owner.open(disk, succession.next()));
      let refused = 0;
      for (let n = 0; n < 8; n++) {
        // A group that failed is not tried again: the next one is another.
        const write = async () => owner.write(owner.next(`n${n}-${refused++}-`));
        await patient(write);
        if (n === 4) await patient(async () => (await owner.saved.beginFold(owner.state))(() => {}));
      }
      const expected = dump(owner.state);
      const heirs = new Succession(100);
      expect(await reopened(machine.afterKill(), heirs), `failed at ${at}, ${times} times`).toBe(expected);
      expect(NAMES.journals([...machine.files.keys()]).length).toBeLessThanOrEqual(4);
      await patient(() => owner.saved.foldWhole(owner.state));
      expect(await reopened(machine.afterKill(), heirs)).toBe(expected);
    }
  }
});

/** A gate that an owner waits at. */
function gate(at: number) {
  let open = () => {};
  const isOpen = new Promise<void>((resolve) => {
    open = resolve;
  });
  let reach = () => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const hook: Hook = async (operation) => {
    if (operation !== at) return;
    reach();
    await isOpen;
  };
  return { hook, open, reached };
}

const busy = { code: "STATE_BUSY" };

test("an owner that was stopped at any operation and replaced changes nothing any more, wherever its successor stands", async () => {
  const operations = await lengthOfALife();
  const opening = new MachineDisk(new Machine());
  await Owner.open(opening, new Succession().next());
  for (let at = 1; at <= operations; at++) {
    for (let met = 1; met <= opening.operations + 6; met++) {
      const machine = new Machine();
      const succession = new Succession();
      const known = { acknowledged: EMPTY, possible: EMPTY };
      const stopped = gate(at);
      const zombie = live(new MachineDisk(machine, stopped.hook), succession, "zombie", known).catch((error) => error);
      await stopped.reached;
      const halfWay = gate(met);
      let acknowledged: RecordWrite[] = [];
      const successor = (async () => {
        const owner = await Owner.open(new MachineDisk(machine, halfWay.hook), succession.next());
        expect([known.acknowledged, known.possible], `stopped at ${at}`).toContain(dump(owner.state));
        for (let n = 0; n < 3; n++) {
          acknowledged = owner.next("heir");
          await owner.write(acknowledged);
        }
        return owner;
      })();
      await Promise.race([halfWay.reached, successor]);
      const { acknowledged: before } = known;
      stopped.open();
      // Its draft was removed, or it has looked at its lock.
      const end = await zombie;
      if (end instanceof Error && !("syscall" in end)) expect(end).toMatchObject(busy);
      expect(known.acknowledged, "nothing is acknowledged after a successor has locked").toBe(before);
      halfWay.open();
      const owner = await successor;
      const where = `stopped at ${at}, woken when its successor was at ${met}`;
      expect(
        owner.state
          .filesOf("u")
          .get(acknowledged.flatMap((write) => ("file" in write ? [write.file.path] : []))[0] ?? "")?.owner,
      ).toBe("heir");
      expect(await reopened(machine.afterKill(), succession), where).toBe(dump(owner.state));
    }
  }
});
