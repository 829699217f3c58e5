interface Common {
  /** Where it stands in bucketline.yaml. */
  readonly path: string;
  /** The first that is set and not empty counts. */
  readonly env: readonly string[];
  /** Without the leading dashes. Which commands take it is said by their definitions. */
  readonly flag?: string;
  readonly summary: string;
  /** Of what is in force when nobody has said anything, where `fallback` is no value of its own. */
  readonly otherwise?: string;
  /** Never shown: all of it, or the password in a URL. */
  readonly secret?: "whole" | "password";
}

interface Text extends Common {
  /** `file` and `ledger` hold paths: in bucketline.yaml relative to its folder, elsewhere to the working directory. */
  readonly kind: "text" | "file" | "ledger";
  readonly fallback?: string;
}

interface Texts extends Common {
  /** `folders` are separated as in PATH, `list` by commas; in bucketline.yaml both are lists. */
  readonly kind: "list" | "folders";
  readonly fallback?: undefined;
}

interface Amount extends Common {
  /** `duration` in milliseconds (a bare number that is given means seconds), `size` in bytes, `count` whole numbers. */
  readonly kind: "count" | "duration" | "size";
  readonly least: number;
  readonly most?: number;
  readonly fallback?: number;
}

interface Switch extends Common {
  readonly kind: "switch";
  readonly fallback?: boolean;
}

interface Choice extends Common {
  readonly kind: "choice";
  readonly choices: readonly string[];
  readonly fallback?: string;
}

/** One setting, as `settings.ts` lists them. */
export type Setting = Text | Texts | Amount | Switch | Choice;
