import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { clamav } from "../src/index.ts";
import { type Clamd, clamdProgram, EICAR, startClamd } from "./support/clamd.ts";
import { type Behaviour, type FakeClamd, type Received, startFakeClamd } from "./support/fake-clamd.ts";
import { Dice, forSeeds } from "./support/random.ts";
import { checkedFile } from "./support/rig.ts";

const invalid = expect.objectContaining({ code: "INVALID_PIPELINE" });
const unavailable = (message: string) => ({ code: "STEP_UNAVAILABLE", message: expect.stringContaining(message) });

describe("clamav with a real clamd", () => {
  const limit = 1024 * 1024;
  let clamd: Clamd;

  beforeAll(async () => {
    if (clamdProgram !== undefined) clamd = await startClamd(clamdProgram, limit);
  });

  beforeEach((context) => context.skip(clamdProgram === undefined, "clamd is not installed (Debian: clamav-daemon)"));

  afterAll(() => clamd?.stop());

  const steps = () => [clamav({ socket: clamd.socket }), clamav({ port: clamd.port })];

  it("lets clean files through", async () => {
    for (const step of steps()) {
      for (const length of [0, 1, 15 * 1024, 16 * 1024, 900_000])
        expect(await step.check(checkedFile(new Dice(length).bytes(length)))).toEqual({
          accepted: true,
          message: "clean",
        });
    }
  });

  it("refuses the EICAR test file, and names what was found", async () => {
    for (const step of steps()) {
      const result = await step.check(checkedFile(EICAR));
      expect(result.accepted).toBe(false);
      expect(result.message).toMatch(/^ClamAV has found Bucketline\.Test\.Eicar.*\.$/);
    }
  });

  it("finds it anywhere in a file, however the file is cut", async () => {
    await forSeeds(20, async (dice) => {
      const file = dice.bytes(dice.int(EICAR.length, 300_000));
      EICAR.copy(file, dice.int(0, file.length - EICAR.length));
      const result = await steps()[dice.int(0, 1)]?.check(checkedFile(file, {}, dice.int(1, 20) * 997));
      expect(result).toMatchObject({ accepted: false });
    });
  });

  it("treats files beyond StreamMaxLength as it is told to", async () => {
    const file = () => checkedFile(Buffer.alloc(5 * limit));
    for (const address of [{ socket: clamd.socket }, { port: clamd.port }]) {
      const refused = await clamav(address).check(file());
      expect(refused).toEqual({
        accepted: false,
        message: "The file has 5242880 bytes, more than clamd's StreamMaxLength, so it cannot be scanned.",
      });
      expect(await clamav({ ...address, tooLarge: "accept" }).check(file())).toMatchObject({ accepted: true });
      const waiting = clamav({ ...address, tooLarge: "wait" }).check(file());
      await expect(waiting).rejects.toMatchObject(unavailable("StreamMaxLength"));
    }
  });

  it("scans many files at once", async () => {
    const files = Array.from({ length: 24 }, (_, n) => (n % 3 === 0 ? EICAR : new Dice(n).bytes(20_000)));
    const [step] = steps();
    const results = await Promise.all(files.map((file) => step?.check(checkedFile(file))));
    expect(results.map((result) => result?.accepted)).toEqual(files.map((file) => file !== EICAR));
  });

  it("lets files wait once clamd is killed", async () => {
    if (clamdProgram === undefined) return;
    const other = await startClamd(clamdProgram, limit);
    onTestFinished(() => other.stop());
    const both = [clamav({ socket: other.socket }), clamav({ port: other.port })];
    for (const step of both) expect(await step.check(checkedFile(Buffer.from("x")))).toMatchObject({ accepted: true });
    await other.stop();
    for (const step of both)
      await expect(step.check(checkedFile(EICAR))).rejects.toMatchObject(unavailable("cannot be reached"));
  });
});

describe("clamav with a server that misbehaves", () => {
  let fake: FakeClamd | undefined;

  afterEach(async () => {
    await fake?.stop();
    fake = undefined;
  });

  const start = async (behave: Behaviour) => {
    fake = await startFakeClamd(behave);
    return fake;
  };

  /** Answers when the file has ended. */
  const answering = (answer: string): Behaviour => {
    return (connection, received) => connection.on("data", () => received().ended && connection.end(answer));
  };

  it.each([
    ["nonsense", "hello\0"],
    ["nothing", "\0"],
    ["a verdict on something else", "other: OK\0"],
    ["a verdict with a tail", "stream: OK maybe\0"],
    ["a finding without a name", "stream:  FOUND\0"],
    ["an error of its own", "stream: Can't allocate memory ERROR\0"],
    ["another protocol", "HTTP/1.1 200 OK\r\n\r\n\0"],
  ])("lets the file wait after %s", async (_, answer) => {
    const { socket } = await start(answering(answer));
    await expect(clamav({ socket }).check(checkedFile(EICAR))).rejects.toMatchObject(unavailable("answered"));
  });

  it("lets the file wait when the verdict is cut off", async () => {
    for (const answer of ["stream: OK", "", "stream: Eicar FOUND"]) {
      const { socket, stop } = await start(answering(answer));
      const message = "closed the connection before it answered";
      await expect(clamav({ socket }).check(checkedFile(EICAR))).rejects.toMatchObject(unavailable(message));
      await stop();
      fake = undefined;
    }
  });

  it("lets the file wait when the verdict has no end", async () => {
    const { socket } = await start(answering("x".repeat(10_000)));
    await expect(clamav({ socket }).check(checkedFile(EICAR))).rejects.toMatchObject(unavailable("without an end"));
  });

  it("does not believe a verdict before the whole file was sent", async () => {
    for (const answer of ["stream: OK\0", "stream: Eicar FOUND\0"]) {
      const { socket, stop } = await start((connection) => connection.once("data", () => connection.write(answer)));
      const message = "before it had the whole file";
      const check = clamav({ socket }).check(checkedFile(Buffer.alloc(20_000_000), {}, 64 * 1024));
      await expect(check).rejects.toMatchObject(unavailable(message));
      await stop();
      fake = undefined;
    }
  });

  it("lets the file wait when the connection breaks in the middle", async () => {
    const { socket } = await start((connection) => connection.once("data", () => connection.destroy()));
    const check = clamav({ socket }).check(checkedFile(Buffer.alloc(20_000_000)));
    await expect(check).rejects.toMatchObject({ code: "STEP_UNAVAILABLE" });
  });

  it("lets the file wait when there is no answer in time, or nothing is taken", async () => {
    const silent = await start(() => undefined);
    const late = clamav({ socket: silent.socket, timeoutMs: 50 }).check(checkedFile(EICAR));
    await expect(late).rejects.toMatchObject(unavailable("did not answer within 50 ms"));
    await vi.waitFor(() => expect(silent.connections.size).toBe(0));
    await silent.stop();
    const stuck = await start((connection) => connection.removeAllListeners("data").pause());
    const full = clamav({ socket: stuck.socket, timeoutMs: 50 }).check(checkedFile(Buffer.alloc(20_000_000)));
    await expect(full).rejects.toMatchObject(unavailable("took no more of the file within 50 ms"));
  });

  it("lets the file wait where nobody listens", async () => {
    const step = clamav({ socket: "/nonexistent/clamd.sock" });
    // The pipeline puts the step's name before it.
    const message = expect.stringMatching(/^clamd at \/nonexistent\/clamd\.sock cannot be reached/);
    await expect(step.check(checkedFile(EICAR))).rejects.toMatchObject({ code: "STEP_UNAVAILABLE", message });
  });

  it("sends every byte once, in pieces, and never an empty piece before the end", async () => {
    let last: Received = { command: "", content: Buffer.alloc(0), pieces: [], ended: false };
    const { socket } = await start((connection, received) =>
      connection.on("data", () => {
        if (!received().ended) return;
        last = received();
        connection.end("stream: OK\0");
      }),
    );
    await forSeeds(10, async (dice) => {
      const content = dice.bytes(dice.int(0, 500_000));
      const file = checkedFile(content, {}, dice.int(1, 400_000));
      async function* withHoles() {
        for await (const chunk of file.stream()) {
          yield new Uint8Array();
          yield chunk;
        }
      }
      const result = await clamav({ socket }).check({ ...file, stream: withHoles });
      expect(result.accepted).toBe(true);
      expect(last.command).toBe("zINSTREAM\0");
      expect(last.content.equals(content)).toBe(true);
      expect(Math.max(0, ...last.pieces)).toBeLessThanOrEqual(128 * 1024);
    });
  });

  it("reads no further than the server takes", async () => {
    const { socket } = await start((connection) => connection.removeAllListeners("data").pause());
    let given = 0;
    async function* plenty() {
      for (; given < 2000; given += 1) yield Buffer.alloc(64 * 1024);
    }
    const check = clamav({ socket, timeoutMs: 200 }).check({ ...checkedFile(Buffer.alloc(1)), stream: plenty });
    await expect(check).rejects.toMatchObject({ code: "STEP_UNAVAILABLE" });
    expect(given).toBeLessThan(100);
  });

  it("ends with the signal and closes the connection and the file", async () => {
    const server = await start(() => undefined);
    const controller = new AbortController();
    const closed = vi.fn();
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(1024);
      } finally {
        closed();
      }
    }
    const file = checkedFile(Buffer.alloc(1), { signal: controller.signal });
    const check = clamav({ socket: server.socket }).check({ ...file, stream: endless });
    await vi.waitFor(() => expect(server.connections.size).toBe(1));
    const reason = new Error("stopped");
    controller.abort(reason);
    await expect(check).rejects.toBe(reason);
    expect(closed).toHaveBeenCalledOnce();
    await vi.waitFor(() => expect(server.connections.size).toBe(0));
    await expect(clamav({ socket: server.socket }).check(file)).rejects.toBe(reason);
  });

  it("passes on what reading the file throws", async () => {
    const server = await start(answering("stream: OK\0"));
    const failure = new Error("disk gone");
    async function* failing() {
      yield Buffer.alloc(10);
      throw failure;
    }
    const check = clamav({ socket: server.socket }).check({ ...checkedFile(EICAR), stream: failing });
    await expect(check).rejects.toBe(failure);
    await vi.waitFor(() => expect(server.connections.size).toBe(0));
  });

  it("does not ask about files beyond maxBytes", async () => {
    const step = clamav({ socket: "/nonexistent/clamd.sock", maxBytes: 10 });
    const message = "The file has 11 bytes, more than maxBytes (10), so it cannot be scanned.";
    expect(await step.check(checkedFile(Buffer.alloc(11)))).toEqual({ accepted: false, message });
    await expect(step.check(checkedFile(Buffer.alloc(10)))).rejects.toMatchObject({ code: "STEP_UNAVAILABLE" });
  });

  it("makes foreign names fit for messages", async () => {
    const { socket } = await start(answering(`stream: \u001b[31m${"n".repeat(300)} FOUND\0`));
    const { message } = await clamav({ socket }).check(checkedFile(EICAR));
    expect(message).toMatch(/^ClamAV has found \?\[31mn{195}….$/);
  });

  it("refuses options that make no sense", () => {
    expect(() => clamav({ socket: "relative.sock" })).toThrow(invalid);
    for (const port of [0, 65_536, 1.5]) expect(() => clamav({ port })).toThrow(invalid);
    for (const timeoutMs of [0, -1, Number.NaN]) expect(() => clamav({ port: 3310, timeoutMs })).toThrow(invalid);
    // @ts-expect-error Without types both can be given.
    expect(() => clamav({ port: 3310, socket: "/a" })).toThrow(invalid);
    // @ts-expect-error A typing error must not let files through.
    expect(() => clamav({ port: 3310, tooLarge: "acept" })).toThrow(invalid);
  });
});
