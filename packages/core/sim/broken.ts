/** A broken promise, found by the model. */
export class Broken extends Error {}
