import { connect, isIP, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import type { ConnectionLimits } from "./connections.ts";

/** A socket that is being connected; `onReady` is called when it stands. */
export type Dial = (onReady: () => void) => Socket;

/** @param origin `http` or `https`, host and port */
export function dialer(origin: string, { connectionTimeoutMs, ca }: ConnectionLimits): Dial {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  const dial = protocol === "https:" ? secureDial(host, Number(port || 443), ca) : plainDial(host, Number(port || 80));
  return (onReady) => {
    const timer = setTimeout(() => socket.destroy(new ConnectTimeout(connectionTimeoutMs)), connectionTimeoutMs);
    const socket = dial(() => {
      clearTimeout(timer);
      onReady();
    });
    return socket.setNoDelay(true).once("close", () => clearTimeout(timer));
  };
}

function plainDial(host: string, port: number): Dial {
  return (onReady) => connect({ host, port }, onReady);
}

function secureDial(host: string, port: number, ca: ConnectionLimits["ca"]): Dial {
  const always = { host, port, ALPNProtocols: ["http/1.1"], ...(ca !== undefined && { ca }) };
  // No address may be a server's name (RFC 6066, 3).
  const options = isIP(host) === 0 ? { ...always, servername: host } : always;
  let session: Buffer | undefined;
  return (onReady) =>
    // A session that is taken up again saves the handshake's public keys.
    connectSecurely(session ? { ...options, session } : options, onReady).on("session", (fresh) => {
      session = fresh;
    });
}

class ConnectTimeout extends Error {
  readonly code = "CONNECT_TIMEOUT";

  constructor(limitMs: number) {
    super(`no connection within ${limitMs} ms.`);
  }
}
