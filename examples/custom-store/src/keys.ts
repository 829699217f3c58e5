import { createHash } from "node:crypto";
import type { FileRecord, Notice } from "@bucketline/core";

/** Numbers are padded to this, so that they sort as numbers: 2^53 has sixteen digits. */
const DIGITS = 16;
const SPAN = 2 ** 53;
/** The character after "/": a key that ends in it stands behind every key that goes on with "/". */
const BEHIND = "0";

const padded = (number: number) => String(number).padStart(DIGITS, "0");

/** Times before 1970 sort before the others. */
const timed = (at: number) => (at < 0 ? `0${padded(at + SPAN)}` : `1${padded(at)}`);

/** What begins with a time, "/" and something else. */
function readTimed(key: string): { readonly at: number; readonly rest: string } {
  const number = Number(key.slice(1, DIGITS + 1));
  return { at: key.startsWith("0") ? number - SPAN : number, rest: key.slice(DIGITS + 2) };
}

/** Ours may hold any character, "/" too; a hash of them never ends early. */
const hashed = (text: string) => createHash("sha256").update(text).digest("hex");

export const FORMAT = "format";
export const LAST_UPLOAD = "uploads";

/** Upload ids have no "/", and a path is always the last thing in a key: so no key can be read in two ways. */
export const uploadKey = (id: string) => `upload/${id}`;
export const UPLOADS_IN_ORDER = "order/";
export const orderKey = (serial: number) => `${UPLOADS_IN_ORDER}${padded(serial)}`;
export const countersKey = (uploadId: string) => `counters/${uploadId}`;

export const filesOf = (uploadId: string) => `file/${uploadId}/`;
export const fileKey = (uploadId: string, path: string) => `${filesOf(uploadId)}${path}`;

export const filesWithKey = (uploadId: string, key: string) => `key/${uploadId}/${hashed(key)}/`;
export const byKey = (file: FileRecord) => `${filesWithKey(file.uploadId, file.key)}${file.path}`;

/** PENDING files, in the order in which they are claimed. */
export const dueOf = (uploadId: string) => `due/${uploadId}/`;
export const dueKey = (file: FileRecord) => `${dueOf(file.uploadId)}${timed(file.nextAttemptAt)}/${file.path}`;
export const behindDue = (uploadId: string, at: number) => `${dueOf(uploadId)}${timed(at)}${BEHIND}`;

export function readDueKey(uploadId: string, key: string): { readonly at: number; readonly path: string } {
  const { at, rest } = readTimed(key.slice(dueOf(uploadId).length));
  return { at, path: rest };
}

/** IN_PROGRESS files, of every upload. */
export const HELD = "held/";
export const heldKey = ({ uploadId, path }: FileRecord) => `${HELD}${uploadId}/${path}`;

export const partsOf = (uploadId: string, path: string) => `part/${uploadId}/${hashed(path)}/`;
export const partKey = (uploadId: string, path: string, partNumber: number) =>
  `${partsOf(uploadId, path)}${padded(partNumber)}`;

/** In order of the ids: ASCII, so bytes are their order. */
export const NOTICES = "notice/";
export const noticeKey = (id: string) => `${NOTICES}${id}`;

/** DUE notices of a subscriber, whose name has no "/", in the order in which they are delivered. */
export const dueNoticesOf = (subscriber: string) => `outbox/${subscriber}/`;
export const dueNoticeKey = ({ subscriber, nextAttemptAt, id }: Notice) =>
  `${dueNoticesOf(subscriber)}${timed(nextAttemptAt)}/${id}`;

export const behindDueNotices = (subscriber: string, at: number) => `${dueNoticesOf(subscriber)}${timed(at)}${BEHIND}`;

export function readDueNoticeKey(subscriber: string, key: string): { readonly at: number; readonly id: string } {
  const { at, rest } = readTimed(key.slice(dueNoticesOf(subscriber).length));
  return { at, id: rest };
}

/** There while the lease holds. */
export const ownerKey = (owner: string) => `owner/${owner}`;
