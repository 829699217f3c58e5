/** How long a test waits for something that does happen; only a failing test ever waits this long. */
export const PATIENCE = { timeout: 20_000 };
