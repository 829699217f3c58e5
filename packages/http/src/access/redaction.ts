/**
 * What loggers leave out, in the form that pino's option `redact` takes. Credentials are in headers and in the body of
 * `POST /session` alone; this covers hosts whose own serializers log them.
 */
export const LOG_REDACTION: { paths: string[]; censor: string } = {
  paths: [
    ...["req.", "request.", "res.", "reply.", ""].flatMap((owner) =>
      ["authorization", "cookie", '["set-cookie"]', '["proxy-authorization"]', '["x-api-key"]'].map((header) =>
        header.startsWith("[") ? `${owner}headers${header}` : `${owner}headers.${header}`,
      ),
    ),
    ...["req.body.", "request.body.", "body."].map((owner) => `${owner}token`),
  ],
  censor: "[redacted]",
};
