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

/** `7 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Never `100 %` before the end. */
export function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`;
}

/** Local time to the second, as people compare it with their clock. */
export function moment(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "?";
  const two = (number: number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
