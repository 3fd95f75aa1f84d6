"use strict";

/** An element with attributes and children; text is only ever set as text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A dotted or slashed name: what it lies in, small, then its last part, which may break between words. */
function breakable(name) {
  const at = Math.max(name.lastIndexOf("/"), name.lastIndexOf(".")) + 1;
  const split = (text) => text.split(/(?<=[_./])/).flatMap((word, i) => (i ? [make("wbr"), word] : [word]));
  return at ? [make("small", {}, ...split(name.slice(0, at))), ...split(name.slice(at))] : split(name);
}

/** Numbers short enough for a cell. */
function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size >= 10000 || size < 0.0005) ? value.toExponential(1) : value.toFixed(size >= 100 ? 1 : 3);
}

function signed(value) {
  return value > 0 ? "+" + short(value) : short(value).replace("-", "−");
}

/** Numbers before text, text as people order it, what is missing last in both directions. */
function compare(one, other, down) {
  const gone = (value) => value === null || value === undefined || value === "";
  if (gone(one) || gone(other)) return Number(gone(one)) - Number(gone(other));
  const order = typeof one === "number" && typeof other === "number"
    ? one - other : String(one).localeCompare(String(other), "en", { numeric: true });
  return down ? -order : order;
}

/**
 * A table whose headings sort it.
 *
 * A column has `name`, `heading` (nodes), `title`, `text` (left-aligned), `down` (sort descending first),
 * `value(row)` to sort by and `cell(row, columnRows)` for the td. The first column makes row headings.
 */
class SortableTable {
  constructor(table) {
    this.table = table;
    this.columns = [];
    this.rows = [];
    this.by = null;
    this.down = false;
  }

  show(columns, rows) {
    this.columns = columns;
    this.rows = rows;
    const focused = document.activeElement && this.table.contains(document.activeElement)
      ? document.activeElement.dataset.column : undefined;
    const by = columns.find((column) => column.name === this.by);
    const sorted = by ? [...rows].sort((a, b) => compare(by.value(a), by.value(b), this.down)) : rows;
    const body = make("tbody", {}, ...sorted.map((row) => this.line(row)));
    this.table.replaceChildren(make("thead", {}, this.head()), body);
    if (focused !== undefined) {
      [...this.table.querySelectorAll("thead button")].find((button) => button.dataset.column === focused)?.focus();
    }
  }

  head() {
    return make("tr", {}, ...this.columns.map((column) => {
      const button = make("button", { type: "button", title: column.title || null, "data-column": column.name }, ...column.heading);
      button.addEventListener("click", () => this.sort(column));
      const order = column.name === this.by ? (this.down ? "descending" : "ascending") : null;
      return make("th", { scope: "col", "aria-sort": order, class: column.text ? "text" : null }, button);
    }));
  }

  line(row) {
    return make("tr", {}, ...this.columns.map((column) => column.cell(row)));
  }

  sort(column) {
    this.down = column.name === this.by ? !this.down : Boolean(column.down);
    this.by = column.name;
    this.show(this.columns, this.rows);
  }
}
