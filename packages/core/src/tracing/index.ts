export { type TracedService, type TraceOptions, traceUploads } from "./trace-uploads.ts";
