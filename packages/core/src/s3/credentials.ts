import type { S3Client } from "@aws-sdk/client-s3";

/** What was thrown while credentials were being fetched. The SDK passes such errors on as they are. */
const fetchFailures = new WeakSet<object>();

/** A client serves several stores when it was handed in. */
const watched = new WeakMap<S3Client, ClientCredentials>();

/**
 * Whether the error comes from where the credentials are fetched: STS, SSO, the instance's or container's metadata, a
 * process, a file. Its name and HTTP status are not the store's.
 */
export function isCredentialFailure(error: unknown): boolean {
  return typeof error === "object" && error !== null && fetchFailures.has(error);
}

/** Looks on at how a client gets its credentials. What the client does stays the same until `renew` is called. */
export function watchCredentials(client: S3Client): ClientCredentials {
  const credentials = watched.get(client) ?? new ClientCredentials(client);
  watched.set(client, credentials);
  return credentials;
}

export class ClientCredentials {
  #refused = false;

  constructor(client: S3Client) {
    const fetch = client.config.credentials;
    const watch = async (properties?: Record<string, unknown>) => {
      const anew = this.#refused;
      try {
        const identity = await fetch(anew ? { ...properties, forceRefresh: true } : properties);
        if (anew) this.#refused = false;
        return identity;
      } catch (error) {
        const failure = typeof error === "object" && error !== null ? error : new Error(String(error));
        fetchFailures.add(failure);
        throw failure;
      }
    };
    // The SDK would otherwise remember for us, and never ask again for credentials that do not say when they expire.
    client.config.credentials = Object.assign(watch, { memoized: true });
  }

  /** The store refused them. The next request fetches them anew, whatever they say about when they expire. */
  renew(): void {
    this.#refused = true;
  }
}
