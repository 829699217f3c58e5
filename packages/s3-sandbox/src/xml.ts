import { S3Error } from "./errors.ts";

/** One element of a request document. Attributes are dropped: S3 request bodies carry nothing in them. */
export interface XmlElement {
  name: string;
  text: string;
  children: XmlElement[];
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const TAG =
  /^<(\/?)([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/;
const MAX_DEPTH = 16;

function malformed(reason: string): S3Error {
  return new S3Error("MalformedXML", { details: { Reason: reason } });
}

function decodeText(raw: string): string {
  if (!raw.includes("&")) return raw;
  return raw.replace(/&([^;\s&]*);?/g, (match, name: string) => {
    if (!match.endsWith(";")) throw malformed("an ampersand is not escaped");
    const numeric = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    if (!numeric) {
      const known = ENTITIES[name];
      if (known === undefined) throw malformed(`unknown entity &${name};`);
      return known;
    }
    const point = numeric[1] ? Number.parseInt(numeric[1], 16) : Number.parseInt(numeric[2] ?? "0", 10);
    if (point === 0 || point > 0x10ffff) throw malformed("a character reference is out of range");
    return String.fromCodePoint(point);
  });
}

/** Index just after a comment, processing instruction or CDATA section that starts at `at`, or -1 for anything else. */
function skipMarkup(xml: string, at: number, onText: (text: string) => void): number {
  for (const [open, close] of [
    ["<!--", "-->"],
    ["<?", "?>"],
    ["<![CDATA[", "]]>"],
  ] as const) {
    if (!xml.startsWith(open, at)) continue;
    const end = xml.indexOf(close, at + open.length);
    if (end < 0) throw malformed(`${open} is not closed`);
    if (open === "<![CDATA[") onText(xml.slice(at + open.length, end));
    return end + close.length;
  }
  return -1;
}

/**
 * Parses a small request document and returns its root element.
 * Namespaces prefixes are dropped; DOCTYPE and entity declarations are refused.
 *
 * @throws S3Error MalformedXML
 */
export function parseXml(source: string): XmlElement {
  const xml = source.charCodeAt(0) === 0xfeff ? source.slice(1) : source;
  const document: XmlElement = { name: "", text: "", children: [] };
  const open: XmlElement[] = [document];
  const addText = (text: string): void => {
    const parent = open[open.length - 1] as XmlElement;
    if (parent === document && text.trim() !== "") throw malformed("text outside the root element");
    parent.text += text;
  };
  let at = 0;
  while (at < xml.length) {
    const next = xml.indexOf("<", at);
    addText(decodeText(xml.slice(at, next < 0 ? xml.length : next)));
    if (next < 0) break;
    const skipped = skipMarkup(xml, next, addText);
    at = skipped >= 0 ? skipped : readTag(xml, next, open);
  }
  if (open.length !== 1) throw malformed(`<${(open[open.length - 1] as XmlElement).name}> is not closed`);
  const root = document.children[0];
  if (!root || document.children.length !== 1) throw malformed("exactly one root element is expected");
  return root;
}

function readTag(xml: string, at: number, open: XmlElement[]): number {
  const end = xml.indexOf(">", at);
  const tag = end < 0 ? null : TAG.exec(xml.slice(at, Math.min(xml.length, at + 4096)));
  if (!tag) throw malformed("a tag is not well formed");
  const name = (tag[2] as string).replace(/^.*:/, "");
  if (tag[1]) {
    const closing = open.pop();
    if (open.length === 0 || closing?.name !== name) throw malformed(`</${name}> closes nothing`);
  } else {
    const element: XmlElement = { name, text: "", children: [] };
    (open[open.length - 1] as XmlElement).children.push(element);
    if (!tag[4]) open.push(element);
    if (open.length > MAX_DEPTH) throw malformed("the document is nested too deeply");
  }
  return at + tag[0].length;
}

/** The trimmed text of the first child called `name`, or undefined. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text.trim();
}

/** An element to be written: tag name and content; undefined content leaves the element out. */
export type XmlNode = readonly [name: string, content: string | number | boolean | undefined | readonly XmlNode[]];

function escapeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: keys may hold control characters, and S3 writes them as references.
  return text.replace(/[&<>"\u0000-\u001f\u007f]/g, (character) => {
    if (character === "&") return "&amp;";
    if (character === "<") return "&lt;";
    if (character === ">") return "&gt;";
    if (character === '"') return "&quot;";
    return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
  });
}

function writeNode([name, content]: XmlNode): string {
  if (content === undefined) return "";
  const inner = typeof content === "object" ? content.map(writeNode).join("") : escapeText(String(content));
  return `<${name}>${inner}</${name}>`;
}

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** A whole document in the S3 namespace (errors have none). */
export function writeXml(name: string, content: readonly XmlNode[], namespace: string | null = NAMESPACE): string {
  const attribute = namespace === null ? "" : ` xmlns="${namespace}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name}${attribute}>${content.map(writeNode).join("")}</${name}>`;
}
