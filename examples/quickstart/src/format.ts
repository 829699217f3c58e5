const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `0 B`, `999 B`, `1.2 kB`, `34.5 MB`: powers of 1000. */
export function bytes(count: number): string {
  const magnitude = count < 1000 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), UNITS.length - 1);
  const value = count / 1000 ** magnitude;
  if (magnitude > 0 && value >= 999.95 && magnitude < UNITS.length - 1) return `1.0 ${UNITS[magnitude + 1]}`;
  return `${magnitude === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[magnitude]}`;
}

/** `1,234 files`, `1 file`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en-US")} ${number === 1 ? noun : `${noun}s`}`;
}

/** `7 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Never `100 %` before the end. */
export function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`;
}

/** Names of files may hold anything; nothing in them is to reach the terminal as a command. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
