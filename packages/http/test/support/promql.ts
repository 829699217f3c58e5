const WORDS = new Set([
  "and",
  "or",
  "unless",
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "bool",
  "offset",
]);
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** What an expression of Prometheus is about. @throws Error when its brackets or quotes do not match */
export function readExpression(text: string): { readonly metrics: string[]; readonly labels: string[] } {
  const plain = withoutTexts(text);
  checkBrackets(plain);
  const matched = [...plain.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = ""]) =>
    [...inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label),
  );
  const grouped = [...plain.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, inside = ""]) =>
    inside.split(",").map((label) => label.trim()),
  );
  const rest = plain.replace(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, " ").replace(/\{[^}]*\}|\[[^\]]*\]/g, " ");
  const names = [...rest.matchAll(/(?<![\w.$])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])/g)].map(([name]) => name);
  return { metrics: names.filter((name) => !WORDS.has(name)), labels: [...matched, ...grouped] };
}

function withoutTexts(text: string): string {
  const plain = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/""/g, " ");
  if (plain.includes('"')) throw new Error(`a quote is open: ${text}`);
  return plain;
}

function checkBrackets(text: string): void {
  const open: string[] = [];
  for (const sign of text) {
    const closing = CLOSING[sign];
    if (closing !== undefined) open.push(closing);
    else if (Object.values(CLOSING).includes(sign) && open.pop() !== sign)
      throw new Error(`${sign} is too much: ${text}`);
  }
  if (open.length > 0) throw new Error(`${open.join("")} is missing: ${text}`);
}
