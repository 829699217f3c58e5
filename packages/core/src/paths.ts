/**
 * Path order: byte by byte in UTF-8, the one order that the scanner and every state store share. JavaScript compares
 * UTF-16 units instead, which puts U+E000…U+FFFF after the surrogate pairs that stand for higher code points.
 */
export function comparePaths(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** Moves surrogates behind every other unit, where their code points belong. */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

const SURROGATE = /[\ud800-\udfff]/;

/** Sorts names in path order, in place. */
export function sortPaths(names: string[]): string[] {
  // The order of UTF-16 units, which is far cheaper, differs only where there are surrogates.
  return names.some((name) => SURROGATE.test(name)) ? names.sort(comparePaths) : names.sort();
}

/** Of a relative path, the folder that holds it; "" at the top. */
export function parentPath(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

export function joinPath(folder: string, name: string): string {
  return folder === "" || name === "" ? folder + name : `${folder}/${name}`;
}
