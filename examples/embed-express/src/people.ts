import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { HostPrincipal } from "@bucketline/http";

/** Somebody whom the shop knows, and what this person may do with uploads. */
export interface Person extends HostPrincipal {
  readonly password: string;
}

const COOKIE = "shop";

/** The shop's own log-in: a password, and a cookie afterwards. Put yours here, whatever it is. */
export class LogIns {
  readonly #people: readonly Person[];
  readonly #open = new Map<string, Person>();

  constructor(people: readonly Person[]) {
    this.#people = people;
  }

  /** @returns the header `Set-Cookie`; undefined: there is nobody of this name with this password */
  logIn(name: string, password: string): string | undefined {
    const given = digest(`${name}:${password}`);
    const found = this.#people.find((person) => timingSafeEqual(digest(`${person.name}:${person.password}`), given));
    if (!found) return undefined;
    const id = randomBytes(32).toString("base64url");
    this.#open.set(id, found);
    // With TLS in front: Secure, too.
    return `${COOKIE}=${id}; HttpOnly; SameSite=Lax; Path=/`;
  }

  logOut(headers: IncomingHttpHeaders): void {
    this.#open.delete(idIn(headers));
  }

  whoIs(headers: IncomingHttpHeaders): Person | undefined {
    return this.#open.get(idIn(headers));
  }
}

function idIn({ cookie = "" }: IncomingHttpHeaders): string {
  return new RegExp(`(?:^|; )${COOKIE}=([^;]+)`).exec(cookie)?.[1] ?? "";
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
