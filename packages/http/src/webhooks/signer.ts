import { Webhook } from "standardwebhooks";

/** Signs what is sent, as Standard Webhooks 1.0.0 says: HMAC-SHA256 of `{id}.{timestamp}.{body}`, once for each secret. */
export class Signer {
  readonly #keys: readonly Webhook[];

  /** @param secrets `whsec_` and base 64 */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => new Webhook(secret));
  }

  /**
   * @param id without full stops, which would let one message be read as another
   * @param now when it is sent, in milliseconds since 1970
   */
  headers(id: string, now: number, body: string): Record<string, string> {
    const at = new Date(now);
    return {
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now / 1000)),
      "webhook-signature": this.#keys.map((key) => key.sign(id, at, body)).join(" "),
    };
  }
}
