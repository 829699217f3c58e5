import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { DropSettings, RegisterOptions, UploadSpec } from "@bucketline/core";
import { registerOptions } from "../assembly/registration.ts";
import type { Config } from "../config/config.ts";
import { ledgerOf } from "../config/values.ts";
import type { Context } from "../context.ts";
import type { UploadArguments } from "../program/upload-options.ts";

export interface Errand extends UploadArguments {
  readonly folder: string;
  readonly destination: string;
  readonly id?: string;
}

/** What sync registers: the same folder, destination and key template again mean the same upload again. */
export type Identified = RegisterOptions & { readonly id: string };

/**
 * The upload of a command that names a folder and a destination. It is a watched one that is scanned when somebody asks:
 * that way it is the same with and without --watch, and can be brought up to date again and again.
 * @param drop of a drop folder: an upload of its own, whatever else is done with the folder
 * @throws UsageError
 */
export function uploadOf(
  { config, folder }: Pick<Context, "config" | "folder">,
  errand: Errand,
  drop?: DropSettings,
): Identified {
  const given = registerOptions(errand, errand.folder, errand.destination, folder);
  const { sourceFolder } = given;
  // Other hosts that share a ledger have other folders of the same name.
  const isShared = ledgerOf(config.values.databaseUrl)?.kind === "postgres";
  const host = isShared ? (config.values.host ?? hostname()) : undefined;
  const exclude = [
    ...[given.exclude ?? []].flat(),
    ...ownFiles(drop ? join(sourceFolder, "incoming") : sourceFolder, config, given),
  ];
  // A store that has moved is called by its old name, and so its uploads are still the same.
  const place = config.values.storeLocation ?? config.values.endpointUrl ?? "";
  const destination = [given.bucket, given.keyTemplate, place, host];
  return {
    ...given,
    id: errand.id ?? nameOf(sourceFolder, drop ? [...destination, "drop"] : destination),
    sourceFolder,
    mode: "watch",
    schedule: "manual",
    ...(exclude.length > 0 && { exclude }),
    ...(drop && { drop }),
    ...(host !== undefined && { host }),
  };
}

/** Readable, and different for every folder and destination. */
function nameOf(folder: string, destination: readonly unknown[]): string {
  const readable = basename(folder)
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, 40);
  const digest = createHash("sha256").update(JSON.stringify([folder, ...destination]));
  return `${readable || "folder"}-${digest.digest("hex").slice(0, 10)}`;
}

/** Globs of our own ledger and spool, if they are inside the folder: they change with every file that is sent. */
function ownFiles(folder: string, config: Config, { pipeline }: RegisterOptions): string[] {
  const ledger = ledgerFiles(folder, config);
  const spool = pipeline === undefined ? [] : below(folder, config.values.spoolFolder).map((glob) => `${glob}/**`);
  return [...ledger, ...spool];
}

function ledgerFiles(folder: string, { values }: Config): string[] {
  const place = ledgerOf(values.databaseUrl);
  if (!place || place.kind === "postgres" || place.path === ":memory:") return [];
  if (dirname(place.path) === values.dataFolder) return below(folder, values.dataFolder).map((glob) => `${glob}/**`);
  // With its journal and its lock beside it.
  return below(folder, place.path).map((glob) => `${glob}*`);
}

function below(folder: string, path: string): string[] {
  const parts = relative(folder, path).split(sep);
  if (parts[0] === ".." || parts[0] === "" || resolve(folder, ...parts) !== path) return [];
  return [parts.map((name) => name.replaceAll(/[\\*?[\]{}()!+@|^$]/g, "\\$&")).join("/")];
}

const DEFAULTS: Partial<UploadSpec> = {
  pattern: ["**"],
  exclude: [],
  dot: true,
  symlinks: "skip",
  overwrite: "always",
  minSize: null,
  maxSize: null,
  minAge: null,
  maxAge: null,
  compare: "stat",
  onSourceDelete: "keep",
  afterUpload: "keep",
  drop: null,
  pipeline: null,
  rootMarker: null,
  object: {},
};

/** A setting that is not what is asked for. */
export interface Difference {
  readonly name: string;
  readonly registered: unknown;
  readonly asked: unknown;
}

/** The settings that say which files are meant. */
const SELECTION = ["pattern", "exclude", "dot", "symlinks", "minSize", "maxSize", "minAge", "maxAge"] as const;

export function isOfSelection({ name }: Difference): boolean {
  return SELECTION.some((setting) => setting === name);
}

/** The same for the same selection, so that the command that is made of it can be given again and again. */
export function idOfSelection(asked: Identified): string {
  const selection = SELECTION.map((name) => asked[name] ?? DEFAULTS[name]);
  const digest = createHash("sha256").update(JSON.stringify(selection)).digest("hex").slice(0, 6);
  return `${asked.id.slice(0, 121)}-${digest}`;
}

/** The settings in which an upload that is registered differs from what is asked for. */
export function differences(upload: UploadSpec, asked: RegisterOptions): Difference[] {
  const listed = (name: string, value: unknown) => (name === "pattern" || name === "exclude" ? [value].flat() : value);
  const settings = Object.entries(DEFAULTS).map(([name, fallback]): Difference => {
    const registered = upload[name as keyof UploadSpec] ?? fallback;
    return { name, registered, asked: listed(name, asked[name as keyof RegisterOptions] ?? fallback) };
  });
  const places = (["sourceFolder", "bucket", "keyTemplate", "mode"] as const).map((name): Difference => {
    return { name, registered: upload[name], asked: asked[name] };
  });
  return [...places, ...settings].filter(({ registered, asked }) => !isDeepStrictEqual(asked, registered));
}
