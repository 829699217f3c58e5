// What is said here is checked by the compiler (`npm run typecheck`), not while the tests run.

import { describe, expectTypeOf, test } from "vitest";
import type {
  BucketlineEmitter,
  BucketlineError,
  ErrorCode,
  EventName,
  EventPayload,
  Events,
  FileEvent,
  ObjectStoreError,
  Progress,
  Reason,
  RegisterOptions,
  Upload,
  UploadEvent,
  UploadRecord,
  UploadService,
  UploadState,
  VerificationReport,
} from "../src/index.ts";
import { ERRORS } from "../src/index.ts";

describe("events", () => {
  test("every event has one payload, an object", () => {
    expectTypeOf<EventName>().toEqualTypeOf<keyof Events>();
    expectTypeOf<EventPayload<EventName>>().toBeObject();
    expectTypeOf<Parameters<Events[EventName]>["length"]>().toEqualTypeOf<1>();
    expectTypeOf<ReturnType<Events[EventName]>>().toBeVoid();
  });

  test("payloads are as documented", () => {
    expectTypeOf<EventPayload<"upload:completed">>().toEqualTypeOf<UploadEvent>();
    expectTypeOf<EventPayload<"upload:progress">>().toEqualTypeOf<Progress>();
    expectTypeOf<EventPayload<"upload:verified">>().toEqualTypeOf<VerificationReport>();
    expectTypeOf<EventPayload<"file:queued">>().toEqualTypeOf<FileEvent>();
    expectTypeOf<EventPayload<"file:failed">>().toExtend<FileEvent & { readonly reason: Reason }>();
    expectTypeOf<EventPayload<"file:uploaded">>().toExtend<{ readonly etag: string; readonly checksum: string }>();
    expectTypeOf<EventPayload<"file:retrying">["nextAttemptAt"]>().toEqualTypeOf<number>();
    expectTypeOf<EventPayload<"file:progress">["partMs"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<EventPayload<"warning">["uploadId"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<EventPayload<"file:queued">>().not.toHaveProperty("reason");
  });

  test("listeners are typed by the event's name, and unknown names are refused", () => {
    expectTypeOf<UploadService["on"]>().toEqualTypeOf<BucketlineEmitter["on"]>();
    expectTypeOf<Parameters<UploadService["on"]>[0]>().toEqualTypeOf<EventName>();
    // The calls are compiled, not made.
    const listen = (service: UploadService) => {
      service.on("file:failed", (event) => expectTypeOf(event).toEqualTypeOf<EventPayload<"file:failed">>());
      service.once("upload:progress", (event) => expectTypeOf(event).toEqualTypeOf<Progress>());
      // @ts-expect-error: there is no such event
      service.off("file:exploded", () => {});
    };
    expectTypeOf(listen).toBeFunction();
  });
});

describe("options and uploads", () => {
  test("source folder and bucket are required, everything else is optional", () => {
    expectTypeOf<{ sourceFolder: string; bucket: string }>().toExtend<RegisterOptions>();
    expectTypeOf<{ sourceFolder: string }>().not.toExtend<RegisterOptions>();
    expectTypeOf<{ bucket: string }>().not.toExtend<RegisterOptions>();
    type Optional = Omit<RegisterOptions, "sourceFolder" | "bucket">;
    expectTypeOf<Record<never, never>>().toExtend<Optional>();
  });

  test("values are narrow", () => {
    expectTypeOf<RegisterOptions["mode"]>().toEqualTypeOf<"watch" | "once" | undefined>();
    expectTypeOf<RegisterOptions["pattern"]>().toEqualTypeOf<string | readonly string[] | undefined>();
    expectTypeOf<RegisterOptions["schedule"]>().toEqualTypeOf<number | string | undefined>();
    expectTypeOf<RegisterOptions["compare"]>().toEqualTypeOf<"stat" | "hash" | undefined>();
  });

  test("an upload is its record with its progress", () => {
    expectTypeOf<Upload>().toExtend<UploadRecord>();
    expectTypeOf<Upload["progress"]>().toEqualTypeOf<Progress>();
    expectTypeOf<Upload["state"]>().toEqualTypeOf<UploadState>();
    expectTypeOf<Upload["reason"]>().toEqualTypeOf<Reason | null>();
    expectTypeOf<ReturnType<UploadService["register"]>>().resolves.toEqualTypeOf<Upload>();
    expectTypeOf<ReturnType<UploadService["verify"]>>().resolves.toEqualTypeOf<VerificationReport>();
  });
});

describe("errors", () => {
  test("codes are a union of the registry's names, never any string", () => {
    expectTypeOf<ErrorCode>().toEqualTypeOf<keyof typeof ERRORS>();
    expectTypeOf<string>().not.toExtend<ErrorCode>();
    expectTypeOf<"ACCESS_DENIED" | "INVALID_OPTION" | "UPLOAD_NOT_FOUND">().toExtend<ErrorCode>();
    expectTypeOf<"ACCES_DENIED">().not.toExtend<ErrorCode>();
    expectTypeOf(ERRORS.ACCESS_DENIED).toExtend<string>();
  });

  test("errors and reasons carry one", () => {
    expectTypeOf<BucketlineError["code"]>().toEqualTypeOf<ErrorCode>();
    expectTypeOf<Reason["code"]>().toEqualTypeOf<ErrorCode>();
    expectTypeOf<ObjectStoreError>().toExtend<BucketlineError>();
    expectTypeOf<ObjectStoreError["ambiguous"]>().toEqualTypeOf<boolean>();
  });
});
