import {
  type Counters,
  FILE_STATES,
  type FileRecord,
  type FinishedPart,
  type Notice,
  type UploadRecord,
} from "@bucketline/core";

/** JSON knows no bigint: the one there is goes as a string. */
export const encodeFile = (file: FileRecord): string => JSON.stringify({ ...file, mtimeNs: String(file.mtimeNs) });

/** A record that is older than a field gets the value that a new one would have. */
export function decodeFile(value: string): FileRecord {
  const { history = [], steps = [], mtimeNs, ...stored } = JSON.parse(value) as StoredFile;
  return { ...stored, history, steps, mtimeNs: BigInt(mtimeNs) };
}

type StoredFile = Omit<FileRecord, "mtimeNs" | "history" | "steps"> & {
  readonly mtimeNs: string;
  readonly history?: FileRecord["history"];
  readonly steps?: FileRecord["steps"];
};

export interface StoredUpload {
  /** Place in the order of registration. */
  readonly serial: number;
  readonly upload: UploadRecord;
}

export const encodeUpload = (stored: StoredUpload): string => JSON.stringify(stored);
export const decodeUpload = (value: string): StoredUpload => JSON.parse(value) as StoredUpload;

export const encodePart = (part: FinishedPart): string => JSON.stringify(part);
export const decodePart = (value: string): FinishedPart => JSON.parse(value) as FinishedPart;

export const encodeNotice = (notice: Notice): string => JSON.stringify(notice);
export const decodeNotice = (value: string): Notice => JSON.parse(value) as Notice;

const ZERO = { files: 0, bytes: 0 } as const;

export const encodeCounters = (counters: Counters): string => JSON.stringify(counters);

export function decodeCounters(value: string | undefined): Counters {
  const stored = (value === undefined ? {} : JSON.parse(value)) as Partial<Counters>;
  return Object.fromEntries(FILE_STATES.map((state) => [state, stored[state] ?? ZERO])) as Counters;
}

/** The counters with one file more or less. */
export function counted(counters: Counters, { state, size }: FileRecord, sign: 1 | -1): Counters {
  const { files, bytes } = counters[state];
  return { ...counters, [state]: { files: files + sign, bytes: bytes + sign * size } };
}
