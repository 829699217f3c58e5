const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** `0 B`, `999 B`, `1.2 kB`, `34.5 MB`: powers of 1000. */
export function bytes(count: number): string {
  const magnitude = count < 1000 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), UNITS.length - 1);
  return `${(count / 1000 ** magnitude).toFixed(magnitude === 0 ? 0 : 1)} ${UNITS[magnitude]}`;
}

/** Names of files may hold anything; nothing in them is to reach the terminal as a command. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
