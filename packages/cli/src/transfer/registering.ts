import type { Upload, UploadService } from "@bucketline/core";
import { CommandError, codeOf, EXIT } from "../errors.ts";
import { printable } from "../output/printable.ts";
import { differences, type Identified, idOfSelection, isOfSelection } from "./identity.ts";

/** How the upload stood before. @returns undefined when it is new */
export async function earlierOf(service: UploadService, id: string): Promise<Upload | undefined> {
  try {
    return await service.get(id);
  } catch (error) {
    if (codeOf(error) === "UPLOAD_NOT_FOUND") return undefined;
    throw error;
  }
}

/**
 * Records the upload, or finds it again, and sets whether services follow it by themselves.
 * @throws CommandError `UPLOAD_EXISTS` when it is there with other settings, which are named
 */
export async function registerAgain(
  service: UploadService,
  asked: Identified,
  { isFollowed, signal }: { readonly isFollowed: boolean; readonly signal: AbortSignal },
): Promise<void> {
  try {
    const { spec } = await service.register(asked, { signal });
    const schedule = isFollowed ? null : "manual";
    if (spec.schedule !== schedule) await service.adjust(asked.id, { schedule });
  } catch (error) {
    if (codeOf(error) !== "UPLOAD_EXISTS") throw error;
    throw otherSettings(await service.get(asked.id), asked, error);
  }
}

function otherSettings({ id, spec }: Upload, asked: Identified, cause: unknown): CommandError {
  const different = differences(spec, asked);
  const settings = different.map(
    (one) => `${optionOf(one.name)} is ${shown(one.registered)}, asked for is ${shown(one.asked)}`,
  );
  const message = `Folder and destination are those of upload ${printable(id)}, which has other settings: ${settings.join("; ")}.`;
  const remedy = different.every(isOfSelection)
    ? `An upload keeps its selection: in its ledger, files that are no longer selected would count as gone. Give the selection that it was begun with, or make this one an upload of its own with --id ${idOfSelection(asked)}, now and from now on. It sends again what both select; do not let both run at once.`
    : "Use the settings that it was begun with, or --id NAME for an upload of its own, which sends every file again.";
  return new CommandError("UPLOAD_EXISTS", EXIT.usage, message, { cause, remedy });
}

function shown(value: unknown): string {
  return printable(JSON.stringify(value ?? null));
}

function optionOf(setting: string): string {
  return setting === "drop" ? "--retention" : `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
