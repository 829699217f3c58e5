import type { UploadService } from "@bucketline/core";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { HttpOptions } from "./options.ts";

/** What every group of routes is made of. */
export interface HttpContext {
  readonly service: UploadService;
  readonly options: HttpOptions;
}

/** Fastify, with types of requests and answers taken from their schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;
