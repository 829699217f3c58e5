/** Header names are in lower case. */
export type AnswerHeaders = Readonly<Record<string, string>>;

/** How much of an answer's document is read. An error as S3 words it has some hundred bytes. */
export const LONGEST_DOCUMENT = 64 * 1024;

/** An answer that is no success, in the shape in which the SDK throws one. */
export class Refusal extends Error {
  readonly $metadata: { readonly httpStatusCode: number; readonly requestId: string | undefined };
  readonly $response: { readonly statusCode: number; readonly headers: AnswerHeaders };
  readonly Region: string | undefined;

  /** @param document the answer's body, which may be anything */
  constructor(status: number, headers: AnswerHeaders, document: string) {
    const begin = document.search(/<Error[\s>]/);
    const element = (name: string) => (begin < 0 ? undefined : elementOf(document.slice(begin), name));
    super(element("Message") ?? "UnknownError");
    // As the SDK says it of an answer without a code.
    this.name = element("Code") ?? (status === 404 ? "NotFound" : "Unknown");
    this.Region = element("Region");
    const requestId = headers["x-amzn-requestid"] ?? headers["x-amzn-request-id"] ?? headers["x-amz-request-id"];
    this.$metadata = { httpStatusCode: status, requestId: requestId ?? element("RequestId") };
    this.$response = { statusCode: status, headers };
  }
}

function elementOf(xml: string, name: string): string | undefined {
  const from = xml.indexOf(`<${name}>`);
  const to = xml.indexOf(`</${name}>`, from);
  if (from < 0 || to < 0) return undefined;
  return decodeEntities(xml.slice(from + name.length + 2, to));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(lt|gt|amp|quot|apos));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole;
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return point > 0x10ffff ? whole : String.fromCodePoint(point);
  });
}
