import type { StateStore, UploadPage, UploadRecord } from "@bucketline/core";

/**
 * The ledger as a service is to see it that works on nothing but these uploads: `listUploads`, by which a service finds
 * its work, gives no others. Everything else is the store's own.
 */
export function onlyUploads(store: StateStore, ids: readonly string[]): StateStore {
  const listUploads = async (page: UploadPage): Promise<UploadRecord[]> => {
    const start = page.after === undefined ? 0 : ids.indexOf(page.after) + 1;
    const found: UploadRecord[] = [];
    for (const id of ids.slice(start)) {
      if (found.length === page.limit) break;
      const upload = await store.getUpload(id);
      if (upload && isOn(page, upload)) found.push(upload);
    }
    return found;
  };
  const subscribe = store.subscribe?.bind(store);
  const replaced = {
    listUploads,
    // Hints are followed to their upload, whichever it is.
    ...(subscribe && {
      subscribe: (listener: Parameters<NonNullable<StateStore["subscribe"]>>[0]) =>
        subscribe((hint) => {
          if (hint.uploadId === undefined || ids.includes(hint.uploadId)) listener(hint);
        }),
    }),
  };
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name as keyof typeof replaced];
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

function isOn({ states, cleanupDue }: UploadPage, upload: UploadRecord): boolean {
  return (!states || states.includes(upload.state)) && (!cleanupDue || upload.cleanupDue);
}
