import type { Sandbox } from "@bucketline/s3-sandbox";

/** Resolves once the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** What has been stored of files, one text for each object or part, in order of arrival. */
export function stored({ requests }: Pick<Sandbox, "requests">): string[] {
  return requests
    .filter(({ operation, committed }) => committed && (operation === "PutObject" || operation === "UploadPart"))
    .map(({ key, partNumber }) => `${key}${partNumber === undefined ? "" : `#${partNumber}`}`);
}

/** No request is under way any more: what a killed client has left behind is settled. */
export function isQuiet({ requests }: Pick<Sandbox, "requests">): boolean {
  return requests.every(({ outcome }) => outcome !== undefined);
}
