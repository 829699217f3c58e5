import type { Context } from "../context.ts";

/** Resolves at the first signal, and says what comes then. */
export async function untilStopped({ signal, output }: Pick<Context, "signal" | "output">): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  output.note("Stopping: what is in flight may finish. A second signal stops at once; nothing is lost either way.");
}
