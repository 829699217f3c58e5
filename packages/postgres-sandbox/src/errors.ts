/** PostgreSQL could not be started, or ended by itself; the message says why and what to do. */
export class PostgresSandboxError extends Error {
  readonly code = "POSTGRES_SANDBOX";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PostgresSandboxError";
  }
}
