/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly width: number;
  readonly value: (row: Row) => string;
}

/** Prints rows as they come, in columns. */
export interface Table<Row> {
  head(): string;
  line(row: Row, colour?: (text: string, column: string) => string): string;
}

/** A plain text table. Text that is too long for its column ends in `…`. */
export function table<Row>(columns: readonly Column<Row>[]): Table<Row> {
  const cell = (text: string, width: number): string => {
    const flat = text.replace(/\s+/g, ' ');
    return flat.length > width ? `${flat.slice(0, width - 1)}…` : flat.padEnd(width);
  };
  return {
    head: () =>
      `${columns.map(({ title, width }) => cell(title, width)).join('  ')}\n${columns.map(({ width }) => '─'.repeat(width)).join('  ')}`,
    line: (row, colour = (text) => text) =>
      columns
        .map(({ title, width, value }) => colour(cell(value(row), width), title))
        .join('  ')
        .trimEnd(),
  };
}
