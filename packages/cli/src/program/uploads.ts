import { readCount } from "../config/values.ts";
import { BUCKET_SETTINGS, type CommandDefinition, type OperandDefinition } from "./define.ts";

const UPLOAD: OperandDefinition = { name: "id", summary: "id of the upload" };
const UPLOAD_STATES = ["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "PAUSED", "CANCELLED"];
const FILE_STATES = ["PENDING", "IN_PROGRESS", "UPLOADED", "FAILED", "SKIPPED", "REMOVED"];
const limit = (text: string) => readCount(text, 1);
const lettersUp = (text: string) => text.toUpperCase().replaceAll("-", "_");

export const UPLOAD_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "status",
    group: "Look after uploads",
    summary: "show how uploads stand",
    operands: [{ ...UPLOAD, summary: "id of one upload (default: all together)", isOptional: true }],
    examples: [
      { says: "The ledger at a glance", line: "status" },
      { says: "One upload", line: "status photos" },
      { says: "For a script", line: "status photos --json | jq .pending_files" },
    ],
    load: () => import("../commands/status.ts"),
  },
  {
    name: "ls",
    group: "Look after uploads",
    summary: "list uploads",
    options: [
      {
        flags: "-s, --state <state>",
        isRepeated: true,
        summary: "only uploads in this state",
        choices: UPLOAD_STATES,
        read: lettersUp,
      },
      { flags: "--limit <count>", summary: "at most so many (default: all)", read: limit },
    ],
    examples: [
      { says: "All of them", line: "ls" },
      { says: "Those in trouble", line: "ls --state failed" },
    ],
    load: () => import("../commands/ls.ts"),
  },
  {
    name: "files",
    group: "Look after uploads",
    summary: "list files of an upload, or show one with its history",
    operands: [UPLOAD, { name: "path", summary: "one file, relative to the folder", isOptional: true }],
    options: [
      {
        flags: "-s, --state <state>",
        isRepeated: true,
        summary: "only files in this state",
        choices: FILE_STATES,
        read: lettersUp,
      },
      { flags: "--search <text>", summary: "only files whose path contains this" },
      { flags: "--limit <count>", summary: "at most so many (default: all)", read: limit },
    ],
    examples: [
      { says: "What failed, and why", line: "files photos --state failed" },
      { says: "What befell one file", line: "files photos 2026/beach.jpg" },
    ],
    load: () => import("../commands/files.ts"),
  },
  {
    name: "pause",
    group: "Look after uploads",
    summary: "stop an upload's transfers until it is resumed",
    operands: [UPLOAD],
    examples: [{ says: "Pause", line: "pause photos" }],
    load: () => import("../commands/pause.ts"),
  },
  {
    name: "resume",
    group: "Look after uploads",
    summary: "go on with a paused upload",
    operands: [UPLOAD],
    examples: [{ says: "Go on", line: "resume photos" }],
    load: () => import("../commands/resume.ts"),
  },
  {
    name: "retry",
    group: "Look after uploads",
    summary: "queue the failed files of an upload again",
    operands: [UPLOAD],
    examples: [{ says: "Once the cause is mended", line: "retry photos" }],
    load: () => import("../commands/retry.ts"),
  },
  {
    name: "cancel",
    group: "Look after uploads",
    summary: "end an upload for good; objects that are in the bucket stay",
    operands: [UPLOAD],
    settings: [...BUCKET_SETTINGS],
    examples: [{ says: "For good", line: "cancel photos" }],
    load: () => import("../commands/cancel.ts"),
  },
];
