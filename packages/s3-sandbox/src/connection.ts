/** Thrown to end a request by destroying its connection instead of answering. */
export class ConnectionReset extends Error {
  constructor() {
    super("The connection is reset on purpose.");
    this.name = "ConnectionReset";
  }
}

/** Thrown when the client has gone away in the middle of a request. */
export class ClientGone extends Error {
  constructor(cause: unknown) {
    super("The client closed the connection before its request was complete.", { cause });
    this.name = "ClientGone";
  }
}
