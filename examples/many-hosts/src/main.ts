import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "@bucketline/postgres-sandbox";
import { startSandbox } from "@bucketline/s3-sandbox";
import { differences, makeFolder } from "./folder.ts";
import { Host } from "./hosts.ts";

const BUCKET = "shared";
const print = (line: string) => process.stdout.write(`${line}\n`);

const home = await mkdtemp(join(tmpdir(), "bucketline-many-hosts-"));
const folder = join(home, "folder");
await makeFolder(folder);
const ledger = await startPostgres();
const sandbox = await startSandbox({ buckets: [BUCKET] });
// As slow as a bucket far away, or it would be over before anybody could be killed.
sandbox.fault({ times: Number.POSITIVE_INFINITY, action: { type: "delay", ms: 80 } });
const hosts: Host[] = [];

try {
  const { connectionString } = ledger;
  const isVictim = ({ name }: Host) => name === "b";
  let lost: readonly string[] = [];
  for (const name of ["a", "b", "c"]) {
    const order = { name, connectionString, client: sandbox.clientConfig, folder };
    const host = new Host(order, (one) => {
      const isAtWork = hosts.every(({ sent }) => sent.length > 0);
      if (lost.length > 0 || !isAtWork || !isVictim(one) || one.sending.size < 2) return;
      lost = [...one.sending];
      one.kill();
      print(`Host b is killed. It has sent ${one.sent.length} files; on their way were ${lost.join(", ")}.`);
    });
    hosts.push(host);
  }
  print("Hosts a, b and c share one upload.");
  await Promise.all(hosts.map(({ ended }) => ended));

  for (const { name, sent } of hosts) print(`Host ${name} sent ${sent.length} files.`);
  for (const path of lost) {
    const heir = hosts.find((host) => !isVictim(host) && host.sent.includes(path));
    print(heir ? `Host ${heir.name} took over ${path}.` : `${path} had arrived just before.`);
  }
  const wrong = await differences(folder, sandbox, BUCKET);
  const files = await readdir(folder);
  if (wrong.length === 0) print(`The bucket holds all ${files.length} files, exactly as they are in the folder.`);
  else print(`The bucket and the folder differ: ${wrong.join(", ")}.`);
  const isAsMeant = hosts.every((host) => (isVictim(host) ? host.wasKilled : host.exitCode === 0));
  if (wrong.length > 0 || !isAsMeant) process.exitCode = 1;
} finally {
  for (const host of hosts) host.kill();
  await sandbox.close();
  await ledger.stop();
  await rm(home, { recursive: true, force: true });
}
