import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Connections, ignore, within } from "./connections.ts";

/** A connection on which nothing ever comes is looked at this often: a cut one says nothing. */
const PROBE_MS = 15_000;
const ANSWER_MS = 10_000;

/** A connection that waits for notifications. */
export interface Listening {
  /** Settles when it hears no more. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** @throws what the driver throws; the error of `signal` when it comes first */
export async function listen(
  connections: Connections,
  channel: string,
  hear: (payload: string | undefined) => void,
  signal: AbortSignal,
): Promise<Listening> {
  const over = new AbortController();
  const end = () => over.abort();
  const { client, close } = await connect(connections, end);
  const onNotification = (notification: pg.Notification) => {
    if (notification.channel === channel && !over.signal.aborted) hear(notification.payload);
  };
  client.on("error", end);
  client.on("end", end);
  client.on("notification", onNotification);
  signal.addEventListener("abort", end);
  const leave = async () => {
    over.abort();
    signal.removeEventListener("abort", end);
    client.off("notification", onNotification);
    await close();
  };
  try {
    signal.throwIfAborted();
    if ((await within(ANSWER_MS, client.query(`LISTEN ${channel}`), over.signal)) === undefined) {
      throw new Error("LISTEN was not answered");
    }
    return { ended: watch(client, over.signal), close: leave };
  } catch (error) {
    await leave();
    throw error;
  }
}

async function watch(client: pg.ClientBase, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await sleep(PROBE_MS, undefined, { signal: over, ref: false }).catch(ignore);
    if (over.aborted) return;
    const answer = await within(ANSWER_MS, client.query("SELECT 1"), over).catch(ignore);
    if (answer === undefined) return;
  }
}

/** A client of our own beside our pool; of a pool that was handed in, one of its clients for as long as we listen. */
async function connect(
  connections: Connections,
  onEnd: () => void,
): Promise<{ client: pg.ClientBase; close: () => Promise<void> }> {
  if (connections.settings.pool) {
    const client = await connections.checkOut();
    // Not kept: its session listens.
    return { client, close: async () => client.release(true) };
  }
  const client = new pg.Client(connections.clientConfig());
  client.on("error", onEnd);
  const close = async () => {
    await within(1_000, client.end().catch(ignore));
  };
  try {
    await client.connect();
  } catch (error) {
    await close();
    throw error;
  }
  return { client, close };
}
