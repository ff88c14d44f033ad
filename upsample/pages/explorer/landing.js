"use strict";
// Where the taps land: both grids, the pixel that is chosen on one of them, and what it meets on the other.

const SIDES = { input: "from", output: "to" };
let chosen = { side: "input", at: [2, 2] };

// Input pixels along each axis of the drawing.
const shownSize = layer => (layer.axes[0] === ALONE ? [1, 7] : [5, 5]);

// What the chosen pixel meets: {"row,column": weight} on the other side, in output pixels of which some may be cut off.
function met(layer, size) {
  const [rows, columns] = layer.axes, found = new Map();
  for (const a of range(rows.k))
    for (const b of range(columns.k))
      for (const i of range(size[0]))
        for (const j of range(size[1])) {
          const ends = { input: [i, j], output: [rows.s * i + rows.d * a - rows.p, columns.s * j + columns.d * b - columns.p] };
          if (String(ends[chosen.side]) !== String(chosen.at)) continue;
          found.set(String(ends[chosen.side === "input" ? "output" : "input"]), layer.weights[a * columns.k + b]);
        }
  return found;
}

function drawLanding(layer, place) {
  const size = shownSize(layer), made = layer.axes.map((axis, a) => outputSize(size[a], axis));
  const within = { input: size, output: made }[chosen.side];
  chosen.at = chosen.at.map((at, a) => Math.min(Math.max(at, 0), within[a] - 1));
  const other = met(layer, size);
  place.replaceChildren(...(layer.axes[0] === ALONE ? [lines(layer, size, made, other)] : grids(layer, size, made, other)));
  return sentenceOf(layer, made, other);
}

// The class, the text and the shade of one pixel.
function look(layer, side, at, other, made, counts) {
  const cut = side === "output" && at.some((v, a) => v < 0 || v >= made[a]);
  const lit = side === chosen.side ? String(at) === String(chosen.at) : other.has(String(at));
  const className = [side === chosen.side && lit ? "chosen" : lit ? SIDES[side] : "", cut ? "cut" : ""];
  let opacity = 1;
  if (!lit && !cut && side === "output") {
    const taps = at.map((v, a) => counts[a][modulo(v, layer.axes[a].s)]).reduce((a, b) => a * b);
    const most = counts.map(each => Math.max(...each)).reduce((a, b) => a * b);
    className.push(taps ? "reached" : "hole");
    opacity = taps ? 0.08 + 0.34 * (taps / most) : 1;
  }
  const text = lit && side !== chosen.side ? told(other.get(String(at))) : "";
  return { className: className.join(" "), text, ink: lit, opacity, side, at: cut ? undefined : at };
}

// Where the output pixels drawn begin and end along each axis: those that the padding cuts off are drawn, too.
function extent(layer, size, made) {
  return layer.axes.map((axis, a) => [-axis.p, Math.max(axis.s * (size[a] - 1) + reach(axis) - axis.p, made[a])]);
}

function grids(layer, size, made, other) {
  const counts = layer.axes.map(tapsOfPhases), span = extent(layer, size, made);
  const across = span.map(([first, end]) => end - first), side = Math.max(9, Math.min(30, 600 / Math.max(...across)));
  const input = [], output = [];
  for (const row of range(size[0]))
    for (const column of range(size[1]))
      input.push({ x: 2 + column * 34, y: 2 + row * 34, w: 34, h: 34, ...look(layer, "input", [row, column], other, made, counts) });
  for (const row of range(across[0]))
    for (const column of range(across[1])) {
      const at = [row + span[0][0], column + span[1][0]];
      output.push({ x: 2 + column * side, y: 2 + row * side, w: side, h: side, ...look(layer, "output", at, other, made, counts) });
    }
  const right = cells(output, across[1] * side + 4, across[0] * side + 4, "output pixels");
  const [top, left] = layer.axes.map(axis => axis.p * side + 2);
  right.append(svg("rect", { x: left, y: top, width: made[1] * side, height: made[0] * side, class: "frame" }));
  if (chosen.side === "input") {
    const [y, x] = layer.axes.map((axis, a) => 2 + (axis.s * chosen.at[a] + axis.p) * side);
    const [h, w] = layer.axes.map(axis => axis.s * side);
    right.append(svg("rect", { x, y, width: w, height: h, class: "block", "pointer-events": "none" }));
  }
  return [
    figure("input", cells(input, size[1] * 34 + 4, size[0] * 34 + 4, "input pixels"), `input, ${size[0]} × ${size[1]}`),
    figure("output", right, `output, ${made[0]} × ${made[1]}${across[0] > made[0] ? "; faint: cut off by the padding" : ""}` +
      (chosen.side === "input" ? "; thick frame: the chosen pixel's own place" : "")),
  ];
}

function figure(side, drawing, caption) {
  const found = html("figure", { class: side, tabindex: 0, "data-side": side });
  found.append(drawing, html("figcaption", {}, caption));
  return found;
}

// Along one axis: the input above the output, each input pixel above its own place, and a line for each meeting.
function lines(layer, size, made, other) {
  const axis = layer.axes[1], counts = layer.axes.map(tapsOfPhases), [first, end] = extent(layer, size, made)[1];
  const from = Math.min(first, 0), to = Math.max(end, axis.s * size[1]), side = Math.min(34, 900 / (to - from));
  const x = at => 2 + (at - from) * side, height = 30, below = 150;
  const each = [];
  for (const j of range(size[1]))
    each.push({ x: x(axis.s * j), y: 20, w: axis.s * side, h: height, ...look(layer, "input", [0, j], other, made, counts) });
  for (let at = first; at < end; at++)
    each.push({ x: x(at), y: below, w: side, h: height, ...look(layer, "output", [0, at], other, made, counts) });
  const drawing = cells(each, (to - from) * side + 4, below + height + 24, "input pixels above output pixels");
  const threads = [];
  for (const j of range(size[1]))
    for (const t of range(axis.k)) {
      const at = axis.s * j + axis.d * t - axis.p;
      const lit = chosen.at[1] === (chosen.side === "input" ? j : at);
      threads.push([lit, svg("line", { x1: x(axis.s * (j + 0.5)), y1: 20 + height, x2: x(at + 0.5), y2: below, class: `link ${lit ? "lit" : ""}` })]);
    }
  drawing.append(...threads.sort((a, b) => a[0] - b[0]).map(thread => thread[1]));
  drawing.append(svg("rect", { x: x(0), y: below, width: made[1] * side, height, class: "frame", "pointer-events": "none" }));
  for (const [text, y] of [[`input, ${size[1]} pixels`, 13], [`output, ${made[1]} pixels (faint: cut off by the padding)`, below + height + 17]])
    drawing.append(svg("text", { x: 2, y, class: "label quiet" }, text));
  return figure(chosen.side, drawing, "Up and down change between input and output.");
}

function sentenceOf(layer, made, other) {
  const one = layer.axes[0] === ALONE, name = at => (one ? `[${at[1]}]` : `[${at.join(", ")}]`);
  if (chosen.side === "input") {
    const cut = [...other.keys()].filter(key => key.split(",").some((v, a) => v < 0 || Number(v) >= made[a])).length;
    return `Input ${name(chosen.at)} adds to ${other.size - cut} output pixels, each time times a weight` +
      (cut ? `; ${cut} more are cut off by the padding.` : ".");
  }
  if (other.size === 0) {
    const hole = layer.axes.some((axis, a) => tapsOfPhases(axis)[modulo(chosen.at[a], axis.s)] === 0);
    return `Output ${name(chosen.at)} is reached by nothing: it holds only the bias, ` +
      (hole ? "whatever the input and the weights." : "here at the border.");
  }
  const terms = [...other].map(([key, weight]) => `${told(weight)} · x${name(key.split(","))}`);
  return `Output ${name(chosen.at)} = ${terms.slice(0, 9).join(" + ")}${terms.length > 9 ? ` + ${terms.length - 9} more` : ""}`;
}

// What a click or an arrow key chooses; returns whether something was.
function choose(event, layer) {
  if (event.type === "click") {
    const { side, row, column } = event.target.dataset ?? {};
    if (row === undefined) return false;
    chosen = { side, at: [Number(row), Number(column)] };
    return true;
  }
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const figure = event.target.closest("figure");
  if (!steps || !figure) return false;
  const one = layer.axes[0] === ALONE, { s, p } = layer.axes[1], side = figure.dataset.side;
  if (one && steps[0]) { // to the other side, where the pixel lies
    const at = chosen.side === "input" ? s * chosen.at[1] : Math.floor(chosen.at[1] / s);
    chosen = { side: steps[0] > 0 ? "output" : "input", at: (steps[0] > 0) === (chosen.side === "output") ? chosen.at : [0, at] };
  } else if (!one && side !== chosen.side) chosen = { side, at: side === "output" ? chosen.at.map(v => v * s) : chosen.at.map(v => Math.floor(v / s)) };
  else chosen = { side: chosen.side, at: chosen.at.map((v, a) => v + steps[a]) };
  event.preventDefault();
  return true;
}
