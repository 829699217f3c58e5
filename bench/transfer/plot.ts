/** One bar for each: the label, the figure and how it is written. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  readonly ours: boolean;
}

const WIDTH = 720;
const LEFT = 170;
const RIGHT = 90;
const TOP = 34;
const BAR = 20;
const STEP = 28;

/** Horizontal bars, smallest first, on a ground of their own: a page may be dark where the system is not. */
export function barPlot(title: string, bars: readonly Bar[]): string {
  const sorted = bars.toSorted((a, b) => a.value - b.value);
  const largest = Math.max(...sorted.map(({ value }) => value), Number.MIN_VALUE);
  const height = TOP + sorted.length * STEP + 8;
  const rows = sorted.map(({ label, value, text, ours }, index) => {
    const y = TOP + index * STEP;
    const width = Math.max(1, (value / largest) * (WIDTH - LEFT - RIGHT));
    const middle = y + BAR / 2 + 5;
    return [
      `<text x="${LEFT - 8}" y="${middle}" text-anchor="end"${ours ? ' font-weight="bold"' : ""}>${escapeXml(label)}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${ours ? "#d97706" : "#64748b"}"/>`,
      `<text x="${(LEFT + width + 6).toFixed(1)}" y="${middle}">${escapeXml(text)}</text>`,
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -8 ${WIDTH + 24} ${height + 16}" font-family="sans-serif" font-size="14">`,
    `<title>${escapeXml(title)}</title>`,
    "<style>text{fill:#1f2937}.ground{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.ground{fill:#111827}}</style>",
    `<rect class="ground" x="-12" y="-8" width="${WIDTH + 24}" height="${height + 16}" rx="8"/>`,
    `<text x="0" y="18" font-weight="bold">${escapeXml(title)}</text>`,
    ...rows,
    "</svg>\n",
  ].join("\n");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
