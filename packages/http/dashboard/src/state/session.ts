import { computed, signal } from "@preact/signals";
import { read, request } from "../api/client.ts";

export interface Session {
  /** Null where nobody need say who they are. */
  readonly name: string | null;
  readonly scopes: readonly string[];
  readonly expires_at: string | null;
  /** Whether a credential is asked for. */
  readonly auth: boolean;
  /** Whether there is something to log out of here; whom the host knows logs out there. */
  readonly session: boolean;
}

export const session = signal<Session | null>(null);

/** Whether what changes something is offered at all. */
export const mayChange = computed(() => session.value?.scopes.includes("admin") ?? false);

/** @throws ApiError */
export async function loadSession(): Promise<void> {
  session.value = await read<Session>("/session");
}

/** @throws ApiError */
export async function logOut(): Promise<void> {
  await request("DELETE", "/session");
  location.reload();
}
