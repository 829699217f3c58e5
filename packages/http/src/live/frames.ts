/** Milliseconds after which a client comes back: not all in the same moment, when a service starts again. */
const RETRY_FROM = 1000;
const RETRY_SPREAD = 2000;

/** Why the service ended a stream that was in order. */
export type Farewell = "expired" | "stopping";

/** The beginning of every stream: a client that is cut off before the first event knows where it was, too. */
export function opening(id: string): string {
  return `retry: ${RETRY_FROM + Math.floor(Math.random() * RETRY_SPREAD)}\nid: ${id}\n\n`;
}

/** Something between the client's last event and `id` may be missing. */
export function reset(id: string, at: number): string {
  return `event: reset\nid: ${id}\ndata: ${json({ at })}\n\n`;
}

/** A comment; and the id, so that a client whose filter lets nothing through still moves on. */
export function heartbeat(id: string): Buffer {
  return Buffer.from(`:\nid: ${id}\n\n`);
}

/** Without an id: a client that comes back goes on where it was. */
export function bye(reason: Farewell, at: number): string {
  return `event: bye\ndata: ${json({ at, reason })}\n\n`;
}

function json({ at, ...rest }: { readonly at: number; readonly reason?: Farewell }): string {
  return JSON.stringify({ at: new Date(at).toISOString(), ...rest });
}
