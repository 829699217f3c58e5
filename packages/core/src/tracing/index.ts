/** OpenTelemetry spans of uploads, files and parts, made of a service's events. @module */
export { type TracedService, type TraceOptions, traceUploads } from "./trace-uploads.ts";
