import { signal } from "@preact/signals";
import { messageOf } from "../api/client.ts";

export interface Toast {
  readonly id: number;
  readonly tone: "good" | "bad";
  readonly text: string;
}

export const toasts = signal<readonly Toast[]>([]);
/** What a screen reader is told, politely. */
export const announcement = signal("");

const TOAST_MS = 6000;
/** Between two announcements, so that a busy service does not talk all the time. */
const QUIET_MS = 3000;

let lastId = 0;
let waiting: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

export function toast(tone: Toast["tone"], text: string): void {
  lastId += 1;
  const id = lastId;
  toasts.value = [...toasts.value.slice(-3), { id, tone, text }];
  announce(text);
  // What went wrong stays until it is dismissed.
  if (tone === "good") setTimeout(() => dismiss(id), TOAST_MS);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((entry) => entry.id !== id);
}

/** The first at once, later ones together, after a pause. */
export function announce(text: string): void {
  waiting.push(text);
  if (timer === undefined) speak();
}

function speak(): void {
  const said = waiting.length > 3 ? [...waiting.slice(0, 2), `and ${waiting.length - 2} more changes`] : waiting;
  waiting = [];
  if (said.length === 0) {
    timer = undefined;
    return;
  }
  announcement.value = said.join(". ");
  timer = setTimeout(speak, QUIET_MS);
}

/** Does something on somebody's wish, and tells how it went. @returns whether it went well */
export async function act(done: string, action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    toast("good", done);
    return true;
  } catch (error) {
    toast("bad", messageOf(error));
    return false;
  }
}
