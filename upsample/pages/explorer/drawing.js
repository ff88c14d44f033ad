"use strict";
// Drawings of grids, lines and curves as SVG. They take numbers and return elements; colours are style.css's.

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A number as it is read: three digits that count.
function told(value) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "undefined";
  const text = Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  return text.replace("-", "−");
}

const percent = share => `${told(100 * share)} %`;

// Output pixels that no tap reaches are hatched: the pattern that .cell.hole refers to.
function hatch() {
  const line = svg("path", { d: "M0 6 L6 0", class: "hatching" });
  return svg("defs", {}, svg("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse" }, line));
}

// Rows and columns of cells {x, y, width, height, className, text, data, ink}, in a drawing of the given size.
function cells(each, width, height, label) {
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": label }, hatch());
  for (const { x, y, w, h, className, text, side, at, ink, opacity = 1 } of each) {
    const box = svg("rect", { x, y, width: w, height: h, rx: Math.min(2, w / 8), class: `cell ${className}`,
      "fill-opacity": opacity });
    if (at) Object.assign(box.dataset, { side, row: at[0], column: at[1] });
    drawing.append(box);
    if (text === undefined || text === "") continue;
    const size = Math.min(h * 0.5, (1.6 * w) / Math.max(2, String(text).length));
    const letters = { x: x + w / 2, y: y + h / 2 + size * 0.35, "font-size": size, "text-anchor": "middle",
      "pointer-events": "none" };
    drawing.append(svg("text", { ...letters, class: ink ? "on" : "" }, String(text)));
  }
  return drawing;
}

// One grid of numbers as a drawing; `mark(row, column)` gives a cell's class.
function numberGrid(values, size, side, mark, label) {
  const each = [];
  for (const row of range(size[0]))
    for (const column of range(size[1])) {
      const className = mark(row, column), value = values[row * size[1] + column];
      const ink = /chosen|from|to|wrong/.test(className);
      each.push({ x: column * side + 1, y: row * side + 1, w: side, h: side, className, text: told(value), ink });
    }
  return cells(each, size[1] * side + 2, size[0] * side + 2, label);
}

// Curves over a common horizontal axis.
//   width in the drawing's own units, of which its height is 250; curves [{points: [[x, y], ...], className, steps}], lines [{x, className}], ticks of both axes [[value, text]]
function chart({ curves, lines = [], across, up, ticksAcross, ticksUp, nameAcross, label, width = 460 }) {
  const height = 250, left = 46, bottom = 40, top = 10, right = 12;
  const x = v => left + ((v - across[0]) / (across[1] - across[0])) * (width - left - right);
  const y = v => top + ((up[1] - Math.min(up[1], Math.max(up[0], v))) / (up[1] - up[0])) * (height - top - bottom);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const text = (value, at, anchor) => svg("text", { ...at, "text-anchor": anchor, "font-size": 12, class: "quiet" }, value);
  for (const [value, name] of ticksUp) {
    drawing.append(svg("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "grid" }));
    drawing.append(text(name, { x: left - 6, y: y(value) + 4 }, "end"));
  }
  for (const [value, name] of ticksAcross) {
    drawing.append(svg("line", { x1: x(value), x2: x(value), y1: height - bottom, y2: height - bottom + 4, class: "axis" }));
    drawing.append(text(name, { x: x(value), y: height - bottom + 17 }, "middle"));
  }
  drawing.append(text(nameAcross, { x: (left + width - right) / 2, y: height - 5 }, "middle"));
  for (const line of lines)
    drawing.append(svg("line", { x1: x(line.x), x2: x(line.x), y1: top, y2: height - bottom, class: line.className }));
  for (const curve of curves) {
    let path = "", before = null;
    for (const [px, py] of curve.points) {
      if (curve.steps && before !== null) path += `L${x(px)} ${before}`;
      before = y(py);
      path += `${path ? "L" : "M"}${x(px)} ${before}`;
    }
    drawing.append(svg("path", { d: path, class: `curve ${curve.className || ""}` }));
  }
  return drawing;
}
