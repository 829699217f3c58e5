import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface TestServer {
  readonly server: Server;
  readonly endpoint: string;
  close(): Promise<unknown>;
}

/** A server that answers as told once it has read the request's body. */
export async function startServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestServer> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise((resolve) => server.close(resolve).closeAllConnections());
  return { server, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

/** An answer with a document. */
export function sendXml(response: ServerResponse, status: number, document: string): void {
  response.writeHead(status, { "content-type": "application/xml" }).end(document);
}

/** An error as S3 words it. */
export function sendError(response: ServerResponse, status: number, code: string): void {
  sendXml(response, status, `<Error><Code>${code}</Code><Message>The store says so.</Message></Error>`);
}
