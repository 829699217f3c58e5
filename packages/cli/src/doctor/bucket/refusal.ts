/** What the store said when it did not do what it was asked. */
export interface Refusal {
  readonly status: number;
  /** The store's own, such as `PreconditionFailed`. */
  readonly code: string;
}

export type Attempt<T> =
  | { readonly value: T; readonly refusal?: never }
  | { readonly refusal: Refusal; readonly value?: never };

/**
 * Tells refusals, which say something about the store, from failures, which do not.
 * @throws what is no refusal: no answer, or one of an internal error
 */
export async function attempt<T>(call: Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await call };
  } catch (error) {
    const refusal = refusalOf(error);
    if (
      refusal &&
      (refusal.status === 501 || (refusal.status >= 400 && refusal.status < 500 && refusal.status !== 429))
    )
      return { refusal };
    throw error;
  }
}

export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const { httpStatusCode: status } = error.$metadata as { readonly httpStatusCode?: number };
  return status === undefined ? undefined : { status, code: error.name };
}

/** Never the store's own sentence, which may repeat what it was sent. */
export function showRefusal({ status, code }: Refusal): string {
  return `${code}, HTTP ${status}`;
}
