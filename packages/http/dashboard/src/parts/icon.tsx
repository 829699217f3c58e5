import type { JSX } from "preact";

// 16 × 16, drawn with the text's colour.
const SHAPES = {
  pending: "M8 4.5V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
  active: "M8 12.5v-8M4.8 7.2 8 4l3.2 3.2",
  good: "m3.5 8.5 3 3 6-7",
  bad: "M8 4.2v4.6M8 11.4v.2M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
  paused: "M5.5 4v8M10.5 4v8",
  ended: "m4.5 4.5 7 7m0-7-7 7",
  skipped: "M4 4.5 9 8l-5 3.5ZM11.5 4.5v7",
  play: "M5 3.5v9l7.5-4.5Z",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2.2v2.9h-2.9",
  scan: "M11 11l3 3M12.2 7.1a5.1 5.1 0 1 1-10.2 0 5.1 5.1 0 0 1 10.2 0Z",
  plus: "M8 3v10M3 8h10",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  adjust: "M2.5 5h6M12 5h1.5M10.2 3.3v3.4M2.5 11H4M7.5 11h6M5.8 9.3v3.4",
  system: "M2.5 3.5h11v7h-11ZM6 13.5h4",
  light:
    "M8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1M10.8 8a2.8 2.8 0 1 1-5.6 0 2.8 2.8 0 0 1 5.6 0Z",
  dark: "M13.5 9.6A6 6 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1Z",
  back: "M9.5 3.5 5 8l4.5 4.5",
  folder: "M1.8 4.2c0-.6.4-1 1-1h3l1.4 1.6h6c.6 0 1 .4 1 1v6c0 .6-.4 1-1 1H2.8c-.6 0-1-.4-1-1Z",
  bucket: "M2.5 4.5h11l-1.2 8.2a1 1 0 0 1-1 .8H4.7a1 1 0 0 1-1-.8ZM2.5 4.5C2.5 3.3 5 2.5 8 2.5s5.5.8 5.5 2",
  arrow: "M2.5 8h11M10 4.5 13.5 8 10 11.5",
  eye: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8ZM9.8 8a1.8 1.8 0 1 1-3.6 0 1.8 1.8 0 0 1 3.6 0Z",
  keys: "M1.8 4.5h12.4v7H1.8ZM4.2 7h.01M7 7h.01M9.8 7h.01M4.8 9.3h6.4",
} as const;

export type IconName = keyof typeof SHAPES;

/** Decoration: what it means is said by text beside it. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg
      class={`icon icon-${name}`}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      aria-hidden="true"
      focusable="false"
    >
      <path d={SHAPES[name]} />
    </svg>
  );
}
