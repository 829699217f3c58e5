import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where Debian's package clamav-daemon and others put it; undefined where it is not installed. */
export const clamdProgram = ["/usr/sbin/clamd", "/usr/local/sbin/clamd", "/opt/homebrew/sbin/clamd"].find(existsSync);

/** The test file of the European Institute for Computer Antivirus Research, in pieces, so that no scanner finds it in here. */
export const EICAR = Buffer.from(
  ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE", "!$H+H*"].join(""),
);

export interface Clamd {
  readonly socket: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A real clamd of its own, whose only signature is that of the test file. */
export async function startClamd(program: string, streamMaxLength: number): Promise<Clamd> {
  const folder = await mkdtemp(join(tmpdir(), "bucketline-clamd-"));
  const database = join(folder, "db");
  await mkdir(database);
  // As root, clamd gives up its rights if it can.
  await chmod(folder, 0o755);
  await writeFile(join(database, "test.ndb"), `Bucketline.Test.Eicar:0:*:${EICAR.toString("hex")}\n`);
  const [socket, port] = [join(folder, "clamd.sock"), await freePort()];
  const settings = {
    LocalSocket: socket,
    TCPSocket: port,
    TCPAddr: "127.0.0.1",
    DatabaseDirectory: database,
    Foreground: "yes",
    StreamMaxLength: streamMaxLength,
    MaxThreads: 4,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
  await writeFile(join(folder, "clamd.conf"), lines.join(""));
  const child = spawn(program, ["--config-file", join(folder, "clamd.conf")], { stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  child.stderr.on("data", (data: Buffer) => {
    complaints += data;
  });
  const stop = async () => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (const target of [{ path: socket }, { host: "127.0.0.1", port }]) {
      while (!(await answers(target))) {
        if (child.exitCode !== null) throw new Error(`clamd has ended: ${complaints}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { socket, port, stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("There is no port.");
  return address.port;
}

function answers(target: { path: string } | { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(target, () => connection.end("zPING\0"));
    connection.on("data", (data) => resolve(data.toString() === "PONG\0"));
    connection.on("error", () => resolve(false));
    connection.on("close", () => resolve(false));
  });
}
