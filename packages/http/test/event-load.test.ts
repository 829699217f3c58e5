import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { Bed, type BedOptions } from "./support/bed.ts";
import { EventClient, type Heard } from "./support/event-client.ts";

const UPLOAD = "busy";
const patient = { timeout: 20_000 };
let bed: Bed;
let others = 0;
let clients: EventClient[] = [];
let sockets: Socket[] = [];

/** With an upload that is finished and makes no noise of its own. */
async function open(options?: BedOptions): Promise<void> {
  bed = await Bed.open(options);
  await bed.write(`${UPLOAD}/a.txt`);
  await bed.create(UPLOAD, { upload_id: UPLOAD });
  await bed.service.finished(UPLOAD);
  others = 0;
  others = await connections();
}

async function listen(lastEventId?: string, path = "/events?types=upload:adjusted"): Promise<EventClient> {
  const client = await EventClient.open(`${bed.url}${path}`, { lastEventId });
  clients.push(client);
  return client;
}

/** Opens a stream and never reads from it. */
async function ignore(path = "/events"): Promise<Socket> {
  const socket = connect(Number(new URL(bed.url).port), "127.0.0.1");
  socket.on("error", () => {});
  sockets.push(socket);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await expect.poll(connections, patient).toBeGreaterThan(0);
  return socket;
}

/** Each change is an event that carries its number. */
async function change(from: number, to: number): Promise<void> {
  for (let priority = from; priority < to; priority++) {
    await bed.service.adjust(UPLOAD, { priority });
    if (priority % 50 === 0) await turn();
  }
}

/** Of streams; the one by which the upload was registered is kept by its client. */
async function connections(): Promise<number> {
  const all = await new Promise<number>((resolve, reject) =>
    bed.server.app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
  return all - others;
}

/** The server's side of the next stream. */
async function nextAnswer(): Promise<{ isBlocked(): Promise<boolean> }> {
  const answer = await new Promise<ServerResponse>((resolve) => {
    bed.server.app.server.once("request", (_request, response: ServerResponse) => resolve(response));
  });
  const isBlocked = async () => {
    // A write that the system takes is done a few turns later.
    for (let turns = 0; turns < 100; turns++) {
      if (!answer.writableNeedDrain) return false;
      await turn();
    }
    return true;
  };
  return { isBlocked };
}

const numbers = (client: EventClient) =>
  client.heard.filter(({ name }) => name === "upload:adjusted").map(({ data }) => data.priority);
const upTo = (end: number) => Array.from({ length: end }, (_, number) => number);

afterEach(async () => {
  for (const client of clients) client.cut();
  for (const socket of sockets) socket.destroy();
  clients = [];
  sockets = [];
  await bed.close();
});

test("1,000 open streams all get each event, in order, and go when the server closes", async () => {
  await open();
  for (let begun = 0; begun < 1000; begun += 100) {
    await Promise.all(Array.from({ length: 100 }, () => listen()));
  }
  const timers = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  expect(timers).toBeLessThan(100);
  await change(0, 20);
  for (const client of clients) await client.until("upload:adjusted", ({ data }) => data.priority === 19);
  for (const client of clients) expect(numbers(client)).toEqual(upTo(20));
  expect(new Set(clients.map((client) => client.lastEventId)).size).toBe(1);
  await bed.server.close();
  for (const client of clients) {
    await client.ended;
    expect(client.names().at(-1)).toBe("bye");
  }
});

test("clients that never read are dropped when too much waits for them, and the others miss nothing", async () => {
  await open({ server: { events: { maxBacklog: 64 * 1024, buffer: 50_000 } } });
  const reader = await listen();
  for (let count = 0; count < 50; count++) await ignore();
  await expect.poll(connections, patient).toBeGreaterThanOrEqual(51);
  await change(0, 20_000);
  await reader.until("upload:adjusted", ({ data }) => data.priority === 19_999);
  expect(numbers(reader)).toEqual(upTo(20_000));
  reader.cut();
  await expect.poll(connections, patient).toBe(0);
});

test("what waits for clients that never read is not kept for each of them", async () => {
  await open({ server: { events: { maxBacklog: 64 * 2 ** 20, buffer: 50_000 } } });
  const answers: { readonly writableLength: number }[] = [];
  bed.server.app.server.on("request", (_request, answer) => answers.push(answer));
  for (let count = 0; count < 20; count++) await ignore();
  await expect.poll(() => answers.length, patient).toBe(20);
  const reader = await listen();
  await change(0, 20_000);
  await reader.until("upload:adjusted", ({ data }) => data.priority === 19_999);
  const waiting = answers.slice(0, 20).map(({ writableLength }) => writableLength);
  expect(Math.max(...waiting)).toBeGreaterThan(0);
  expect(Math.max(...waiting)).toBeLessThan(128 * 1024);
  // Nobody was dropped, and whoever reads after all still gets everything.
  const [socket] = sockets;
  let text = "";
  socket?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await expect.poll(() => text.includes('"priority":19999,'), patient).toBe(true);
  const heard = [...text.matchAll(/"priority":(\d+),/g)].map(([, number]) => Number(number));
  expect(heard).toEqual(upTo(20_000));
});

test("a client that is cut off again and again, and comes back each time, gets each event once", async () => {
  await open({ server: { events: { maxBacklog: 16 * 1024, buffer: 50_000 } } });
  const heard: unknown[] = [];
  const changes = change(0, 5000);
  let last: string | undefined;
  let connected = 0;
  while (heard.at(-1) !== 4999) {
    const client = await listen(last);
    connected += 1;
    await client.when(() => numbers(client).length >= 100 || numbers(client).at(-1) === 4999);
    client.cut();
    heard.push(...numbers(client));
    last = client.lastEventId;
    expect(client.names()).not.toContain("reset");
  }
  await changes;
  expect(connected).toBeGreaterThan(2);
  expect(heard).toEqual(upTo(5000).slice(Number(heard[0])));
  expect(heard.length).toBeGreaterThan(4000);
});

test("connections that are reset while events flow disturb nobody", async () => {
  await open();
  const reader = await listen();
  const changes = change(0, 3000);
  for (let count = 0; count < 100; count++) {
    const socket = await ignore();
    socket.resetAndDestroy();
  }
  await changes;
  await reader.until("upload:adjusted", ({ data }) => data.priority === 2999);
  expect(numbers(reader)).toEqual(upTo(3000));
  await expect.poll(connections, patient).toBe(1);
});

test("a slow client gets everything but figures that newer ones stand for", async () => {
  await open({ service: { progressInterval: 1 }, server: { events: { maxBacklog: 64 * 2 ** 20, buffer: 100_000 } } });
  const path = "/events?types=upload:adjusted,upload:progress,file:uploaded";
  const fast = await listen(undefined, path);
  const answer = nextAnswer();
  const slow = await listen(undefined, path);
  slow.stall();
  const { isBlocked } = await answer;
  let progressed = 0;
  bed.service.on("upload:progress", () => {
    progressed += 1;
  });
  let last = 0;
  for (; !(await isBlocked()); last += 1000) await change(last, last + 1000);
  for (let number = 0; number < 200; number++) await bed.write(`more/${number}`, String(number));
  await bed.create("more", { upload_id: "more" });
  await bed.service.finished("more");
  await change(last, last + 1);
  const isLast = (client: EventClient) => numbers(client).at(-1) === last;
  await fast.when(() => isLast(fast));
  slow.goOn();
  await slow.when(() => isLast(slow));
  const others = ({ heard }: EventClient) => heard.filter(({ name }) => name !== "upload:progress");
  expect(others(slow)).toEqual(others(fast));
  const isDone = ({ data }: Heard) => data.upload_id === "more" && data.state === "COMPLETED";
  await slow.until("upload:progress", isDone);
  // Ids end in a number that goes up by one with every event, whether a stream asked for it or not.
  const places = slow.heard.map(({ id }) => Number.parseInt(id.split("-").at(-1) ?? "", 36));
  expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
  const figures = slow.heard.filter(({ name }) => name === "upload:progress");
  expect(figures.length).toBeLessThan(progressed);
});
