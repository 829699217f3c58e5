import { BucketlineError, type RegisterOptions, type Upload } from "@bucketline/core";
import type { HttpContext } from "./context.ts";
import { HttpError } from "./errors.ts";
import { conflict, IdempotencyKeys, uploadIdOf } from "./idempotency.ts";
import { camel, renamed } from "./names.ts";
import type { CreateUpload } from "./schemas/upload.ts";
import { Turns } from "./turns.ts";

/** The body of a request as options of the core; null stands for the default, as if it were left out. */
export function registerOptions({ upload_id, destination_bucket, ...settings }: CreateUpload): RegisterOptions {
  const named = Object.entries(settings).filter(([, value]) => value !== null);
  const id = upload_id === undefined ? {} : { id: upload_id };
  const options = renamed(Object.fromEntries(named), camel) as Omit<RegisterOptions, "id" | "bucket">;
  return { ...options, ...id, bucket: destination_bucket };
}

/**
 * What a client may not ask for, whatever the core allows its host: folders when no roots are configured, and buckets that
 * are not on the list. The core itself keeps to the roots.
 * @throws HttpError `ROOTS_REQUIRED`, `BUCKET_NOT_ALLOWED`
 */
export function refuseForeign({ service, options }: HttpContext, { destination_bucket }: CreateUpload): void {
  if (service.allowedRoots === null || service.allowedRoots.length === 0)
    throw new HttpError("ROOTS_REQUIRED", "The service was made without allowedRoots, so clients may name no folder.");
  const { buckets } = options;
  if (buckets && !buckets.includes(destination_bucket))
    throw new HttpError("BUCKET_NOT_ALLOWED", `This service does not upload to ${JSON.stringify(destination_bucket)}.`);
}

export interface Registered {
  readonly upload: Upload;
  /** As far as no other process registers the same id at this moment. */
  readonly isNew: boolean;
}

/** Registers uploads, each once, however often it is asked for. */
export class Registrar {
  readonly #context: HttpContext;
  readonly #keys = new IdempotencyKeys();
  readonly #turns = new Turns();

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** @throws as `UploadService.register` */
  async register(options: RegisterOptions): Promise<Registered> {
    const { service } = this.#context;
    const { id } = options;
    if (id === undefined) return { upload: await service.register(options), isNew: true };
    return await this.#turns.take(`id ${id}`, async () => {
      const existed = await exists(service.get(id));
      return { upload: await service.register(options), isNew: !existed };
    });
  }

  /** @param key one client's own; see `scopedKey`. @throws HttpError `IDEMPOTENCY_CONFLICT` · as `UploadService.register` */
  async registerUnder(key: string, body: CreateUpload): Promise<Registered> {
    const options = registerOptions(body);
    return await this.#turns.take(`key ${key}`, async () => {
      this.#keys.refuseReuse(key, body);
      const registered = await this.register({ ...options, id: options.id ?? uploadIdOf(key) }).catch(
        (error: unknown) => {
          // The id is the key's: it was used for other settings, before a restart.
          if (options.id === undefined && codeOf(error) === "UPLOAD_EXISTS") throw conflict({ cause: error });
          throw error;
        },
      );
      this.#keys.remember(key, body);
      return registered;
    });
  }
}

async function exists(upload: Promise<Upload>): Promise<boolean> {
  try {
    await upload;
    return true;
  } catch (error) {
    if (codeOf(error) === "UPLOAD_NOT_FOUND") return false;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof BucketlineError ? error.code : undefined;
}
