import type { Line } from "./goals.ts";

const HEADER = ["row", "", "Bucketline", "peer", "measured", "goal", "reached"];

const cellsOf = ({ row, what, ours, peer, measured, goal, reached }: Line) => {
  return [row, what, ours, peer, measured, goal, reached ? "yes" : "no"];
};

/** For a terminal. */
export function plainTable(lines: readonly Line[]): string {
  const rows = [HEADER, ...lines.map(cellsOf)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? "").length)));
  const text = rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${text.join("\n")}\n`;
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

export function goalsTable(lines: readonly Line[]): string {
  return markdownTable(HEADER, lines.map(cellsOf));
}
