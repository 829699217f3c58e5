import type { Reason } from "./errors.ts";

/** Why a tree cannot be watched, and after how many milliseconds to try again. */
export interface Trouble {
  readonly reason: Reason;
  readonly retryAfter: number;
}

const SOON_MS = 2_000;
const LATER_MS = 60_000;
/** Long: to find out, the folders are watched until there are no more watches, which others may need. */
const EXHAUSTED_MS = 600_000;

const EXHAUSTED: Readonly<Record<string, string>> = {
  ENOSPC: "it has more folders than may be watched. Raise the limit of the system (sysctl fs.inotify.max_user_watches)",
  EMFILE:
    "too many programs of this user watch folders, or too many files are open. Raise the limits of the system (sysctl fs.inotify.max_user_instances, ulimit -n)",
  ENFILE: "too many files are open on this machine. Raise the limit of the system (sysctl fs.file-max)",
  ENOMEM: "the system lacks memory for it",
};

export const troubles = {
  /** Of what a call of the system has thrown. */
  of(error: unknown, root: string): Trouble {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return troubles.gone(root);
    return { reason: failureReason(error, root), retryAfter: code in EXHAUSTED ? EXHAUSTED_MS : LATER_MS };
  },

  gone(root: string): Trouble {
    return {
      reason: reason(root, "it is not there, or was replaced. It is watched again when it is back"),
      retryAfter: SOON_MS,
    };
  },

  remote(root: string, type: string): Trouble {
    const why = `it lies on ${type}, where others can change files without any event here. Shorten the scan interval if need be`;
    return { reason: reason(root, why), retryAfter: LATER_MS };
  },

  lost(root: string): Trouble {
    const why =
      "so much changed at once that events may have been lost; its folders are compared anew. If this is frequent, raise the limit of the system (sysctl fs.inotify.max_queued_events)";
    return { reason: reason(root, why), retryAfter: 0 };
  },
};

export function failureReason(error: unknown, root: string): Reason {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return reason(root, EXHAUSTED[code] ?? `watching it failed (${code || message})`);
}

/** @param why goes on after "cannot be watched:", without a full stop */
export function reason(root: string, why: string): Reason {
  return { code: "WATCH_DEGRADED", message: `${root} cannot be watched: ${why}. It is polled meanwhile.` };
}
