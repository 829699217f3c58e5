import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { InputError } from "@bucketline/core";
import { HttpError } from "../errors.ts";
import type { HttpOptions } from "../options.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether an IP address is one of this machine's own; IPv4 in IPv6 is seen through. False for names. */
function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? "ipv4" : "ipv6");
}

/**
 * @param host what a server is about to listen on
 * @throws HttpError `AUTH_REQUIRED` when others could reach it there and nobody would ask who they are
 */
export function checkListening(host: string, options: Pick<HttpOptions, "auth">): void {
  if (options.auth || host.toLowerCase() === "localhost" || isLoopback(host)) return;
  throw new HttpError(
    "AUTH_REQUIRED",
    `Without auth the service does not listen on ${JSON.stringify(host)}. Configure auth, or listen on 127.0.0.1 or ::1.`,
  );
}

/** Whether both ends of the connection are on this machine. Headers have no say in it: whoever calls writes them. */
export function isLocalConnection({ remoteAddress, localAddress }: IncomingMessage["socket"]): boolean {
  return (
    remoteAddress !== undefined && isLoopback(remoteAddress) && (localAddress === undefined || isLoopback(localAddress))
  );
}

/**
 * Which names a request may call this service by. A page of another site whose name is made to lead to this machine (DNS
 * rebinding) still sends its own name.
 */
export class AllowedHosts {
  /** Canonical; null: any. */
  readonly #names: ReadonlySet<string> | null;
  readonly #admitsLoopback: boolean;

  /** @throws InputError `INVALID_OPTION` */
  constructor({ allowedHosts, auth }: Pick<HttpOptions, "allowedHosts" | "auth">) {
    this.#names = allowedHosts ? new Set(namesOption(allowedHosts)) : auth ? null : new Set(["localhost"]);
    this.#admitsLoopback = !allowedHosts;
  }

  /** @throws HttpError `HOST_NOT_ALLOWED` */
  check(request: IncomingMessage): void {
    const hosts = namedHosts(request);
    if (hosts.length === 0 && this.#names !== null)
      throw new HttpError("HOST_NOT_ALLOWED", "The request does not say which host it is for.");
    for (const host of hosts) {
      const name = canonicalHost(host);
      if (name !== null && this.#admits(name)) continue;
      const shown = JSON.stringify(host.slice(0, 255));
      throw new HttpError("HOST_NOT_ALLOWED", `This service does not answer for the host ${shown}.`);
    }
  }

  #admits(name: string): boolean {
    if (this.#names === null || this.#names.has(name)) return true;
    return this.#admitsLoopback && isLoopback(name.replace(/^\[|\]$/g, ""));
  }
}

/** All that the request says it is for: a request target in absolute form names a host, too, and so may a second header. */
function namedHosts({ rawHeaders, url = "" }: IncomingMessage): string[] {
  const hosts = rawHeaders.filter(
    (_value, index) => index % 2 === 1 && /^(host|:authority)$/i.test(rawHeaders[index - 1]!),
  );
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url);
  return absolute ? [...hosts, absolute[1]!] : hosts;
}

/** Name or address of `host[:port]` in one spelling; null: none can be made out. */
export function canonicalHost(host: string): string | null {
  const parts = /^(?<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?<port>:\d{0,5})?$/i.exec(host);
  const name = parts?.groups?.name;
  if (name === undefined || !URL.canParse(`http://${name}/`)) return null;
  return new URL(`http://${name}/`).hostname.replace(/\.$/, "");
}

function namesOption(hosts: readonly string[]): string[] {
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw new InputError("INVALID_OPTION", "Option allowedHosts must be a list of at least one name.");
  return hosts.map((host) => {
    const name = canonicalHost(isIP(host) === 6 ? `[${host}]` : String(host));
    const hasPort = isIP(host) === 0 && /:\d*$/.test(host);
    if (name !== null && !hasPort) return name;
    throw new InputError(
      "INVALID_OPTION",
      `Option allowedHosts takes names without port, not ${JSON.stringify(host)}.`,
    );
  });
}
