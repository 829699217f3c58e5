import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { hashToken } from "../src/access/tokens.ts";
import { describeEvents } from "../src/schemas/events.ts";
import { Bed } from "./support/bed.ts";

const page = readFileSync(new URL("../../../docs/live-events.md", import.meta.url), "utf8");
const patient = { timeout: 25_000 };

/** A program that is run as it stands, by this Node.js. */
class Program {
  readonly #child: ChildProcess;
  output = "";

  constructor(source: string, env: Readonly<Record<string, string>>, flags: readonly string[] = []) {
    this.#child = spawn(process.execPath, [...flags, "--input-type=module", "--eval", source], {
      env: { PATH: process.env.PATH ?? "", ...env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
  }

  get code(): number | null {
    return this.#child.exitCode;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

let bed: Bed;
let program: Program | undefined;
afterEach(async () => {
  program?.end();
  await bed.close();
});

/** The answer to the next request, which is a stream's. */
async function nextStream(): Promise<ServerResponse> {
  return await new Promise((resolve) => {
    bed.server.app.server.once("request", (_request, response: ServerResponse) => resolve(response));
  });
}

describe("docs/live-events.md", () => {
  test("lists every event with its fields", async () => {
    bed = await Bed.open({ started: false });
    expect(page).toContain(`\n${describeEvents()}\n`);
  });

  test("has a program for Node.js that goes on where it was when its connection is lost", async () => {
    const auth = { tokens: [{ name: "watcher", sha256: hashToken("secret"), scopes: ["read"] as const }] };
    bed = await Bed.open({ server: { auth } });
    const source = /## In Node\.js.*?```js\n(.*?)```/s.exec(page)?.[1] ?? "";
    await bed.write("photos/first.txt");
    await bed.service.register({ id: "photos", sourceFolder: `${bed.root}/photos`, bucket: "bucket", mode: "watch" });
    await bed.service.finished("photos");
    await bed.service.pause("photos");
    const opened = nextStream();
    program = new Program(source, { URL: bed.url, TOKEN: "secret", UPLOAD: "photos" });
    let stream = await opened;
    // Until it knows where it was, although it has not heard of any event yet.
    while (stream.req.headers["last-event-id"] === undefined) {
      const next = nextStream();
      await sleep(200);
      stream.destroy();
      stream = await next;
    }
    stream.destroy();
    await bed.write("photos/second.txt");
    await bed.service.resume("photos");
    await bed.service.check("photos");
    await expect.poll(() => program?.code, patient).toBe(0);
    expect(program.output).toBe("second.txt is in the bucket as photos/second.txt\nphotos is complete\n");
  }, 90_000);
});

test("the EventSource of Node.js reads the streams, and comes back by itself with the id of its last event", async () => {
  bed = await Bed.open();
  const opened = nextStream();
  program = new Program(
    `const source = new EventSource(process.env.URL + "/api/v1/events");
     for (const name of ["upload:registered", "upload:completed", "reset", "bye"])
       source.addEventListener(name, ({ data }) => console.log(name, JSON.parse(data).upload_id));
     source.addEventListener("open", () => console.log("open"));
     setInterval(() => {}, 1000); // Its wait for the next try does not keep a process running.`,
    { URL: bed.url },
    ["--experimental-eventsource", "--no-warnings"],
  );
  const stream = await opened;
  await expect.poll(() => program?.output, patient).toBe("open\n");
  await bed.write("first/a.txt");
  await bed.create("first", { upload_id: "first" });
  const heard = ["open", "upload:registered first", "upload:completed first"];
  await expect.poll(() => program?.output.trim().split("\n"), patient).toEqual(heard);
  // It takes a broken connection for an error, and the end of an answer for a reason to come back.
  stream.end();
  await bed.write("second/a.txt");
  await bed.service.register({ id: "second", sourceFolder: `${bed.root}/second`, bucket: "bucket", mode: "once" });
  await bed.service.finished("second");
  const more = [...heard, "open", "upload:registered second", "upload:completed second"];
  await expect.poll(() => program?.output.trim().split("\n"), patient).toEqual(more);
});
