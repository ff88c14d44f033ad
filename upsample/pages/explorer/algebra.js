"use strict";
// What a transposed convolution does, exactly, from its settings and weights: what upsample/algebra/ computes, which
// tests/upsample/pages/test_explorer.py compares number by number. Nothing here touches the page.
//
// A layer is {axes: [rows, columns], weights}; an axis is {k, s, d, p, o}: kernel, stride, dilation, padding, output
// padding. A layer along one axis has ALONE for its rows. weights holds rows.k * columns.k numbers, row by row.
// Input pixel i and tap t meet at output pixel s*i + d*t - p.

const ALONE = { k: 1, s: 1, d: 1, p: 0, o: 0 };
const PERIOD = 31; // frequencies of the input along each axis, as upsample/algebra/spectrum.py
const STEP_AT = 16; // the input column where the step rises, of twice as many
const ROUNDING = 1e-6; // of the weights: what sums may differ by without being called unequal

const modulo = (a, n) => ((a % n) + n) % n;
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const reach = axis => axis.d * (axis.k - 1) + 1; // output pixels that one input pixel spans
const outputSize = (n, axis) => axis.s * (n - 1) + reach(axis) - 2 * axis.p + axis.o;
const range = n => [...Array(Math.max(0, n)).keys()];
const sum = values => values.reduce((a, b) => a + b, 0);

// The padding and output padding that make the output exactly s times the input.
function paddingFor(k, s, d) {
  const excess = d * (k - 1) + 1 - s;
  if (excess < 0) return [0, -excess];
  const p = Math.floor((excess + 1) / 2);
  return [p, 2 * p - excess];
}

// The [kernel, dilation] pairs nearest to the given that are even, without holes and centred.
function evenSettings(k, s, d, count = 3) {
  const found = [];
  for (let kernel = s; kernel <= k + 3 * s; kernel += s)
    for (let dilation = 1; dilation <= d + s + 1; dilation++)
      if (gcd(s, dilation) === 1 && paddingFor(kernel, s, dilation)[1] === 0) found.push([kernel, dilation]);
  const far = pair => Math.abs(pair[0] - k) + Math.abs(pair[1] - d);
  return found.sort((a, b) => far(a) - far(b) || a[0] - b[0] || a[1] - b[1]).slice(0, count);
}

// How many taps land on each output phase of an axis.
function tapsOfPhases(axis) {
  const taps = Array(axis.s).fill(0);
  for (const t of range(axis.k)) taps[modulo(axis.d * t - axis.p, axis.s)] += 1;
  return taps;
}

// Overlap over all axes: the share of holes, whether it is even, and how much the counts vary.
function overlap(layer) {
  const taps = layer.axes.map(tapsOfPhases);
  const reached = taps.map(t => t.filter(n => n > 0).length / t.length).reduce((a, b) => a * b);
  const second = taps.map((t, a) => (sum(t.map(n => n * n)) * t.length) / layer.axes[a].k ** 2).reduce((a, b) => a * b);
  const even = taps.every(t => t[0] > 0 && t.every(n => n === t[0]));
  return { taps, holes: 1 - reached, even, variation: Math.sqrt(Math.max(0, second - 1)) };
}

// For each output pixel of an axis the [input pixel, tap] that meet there, for n input pixels.
function meetings(axis, n) {
  const found = range(outputSize(n, axis)).map(() => []);
  for (const i of range(n))
    for (const t of range(axis.k)) found[axis.s * i + axis.d * t - axis.p]?.push([i, t]);
  return found;
}

// The same as MXNet had it on the CPU before its pull request 20292 (mshadow's pack_col2patch): from the first input
// pixel on it went by d pixels, where d / gcd(s, d) is right, and took the first one wrongly at the start.
function meetingsOfOldMxnet(axis, n) {
  return range(outputSize(n, axis)).map(cropped => {
    const y = cropped + axis.p, width = reach(axis);
    const first = y < width ? y % axis.d : Math.floor((y - width + axis.s) / axis.s);
    const last = Math.min(Math.floor((y + axis.s) / axis.s), n);
    const found = [];
    for (let i = first; i < last; i += axis.d) {
      const tap = Math.floor((y - i * axis.s) / axis.d);
      if (tap < axis.k) found.push([i, tap]); // further on it read what lay behind in memory
    }
    return found;
  });
}

// The output for an input x of size [rows, columns], row by row, from who meets where along each axis.
function gather(layer, x, size, meet = meetings) {
  const [rows, columns] = layer.axes.map((axis, a) => meet(axis, size[a]));
  const y = new Float64Array(rows.length * columns.length), k = layer.axes[1].k;
  rows.forEach((above, row) => columns.forEach((beside, column) => {
    let total = 0;
    for (const [i, a] of above) for (const [j, b] of beside) total += layer.weights[a * k + b] * x[i * size[1] + j];
    y[row * columns.length + column] = total;
  }));
  return { values: y, size: [rows.length, columns.length] };
}

// The sum of the weights that reach each output phase, [rows' phase][columns' phase]: the answer to a constant 1.
function phaseSums(layer) {
  const [rows, columns] = layer.axes;
  const sums = range(rows.s).map(() => Array(columns.s).fill(0));
  for (const a of range(rows.k))
    for (const b of range(columns.k))
      sums[modulo(rows.d * a - rows.p, rows.s)][modulo(columns.d * b - columns.p, columns.s)] +=
        layer.weights[a * columns.k + b];
  return sums;
}

// The root mean square deviation of the phases' sums over the size of their mean: 0 prints nothing on a constant.
function imbalance(layer) {
  const sums = phaseSums(layer).flat();
  const sizes = phaseSums({ ...layer, weights: layer.weights.map(Math.abs) }).flat();
  const mean = sum(sums) / sums.length;
  const deviation = Math.sqrt(sum(sums.map(g => (g - mean) ** 2)) / sums.length);
  if (deviation <= ROUNDING * Math.max(...sizes)) return 0;
  return mean ? deviation / Math.abs(mean) : Infinity;
}

// |H|^2 at each output frequency, 0, 1/(31 s), ... cycles per output pixel along each axis; {values, size}.
function powerGain(layer) {
  const [rows, columns] = layer.axes;
  const size = layer.axes.map(axis => (axis === ALONE ? 1 : PERIOD * axis.s));
  const wave = (axis, n) => range(n).map(f => range(axis.k).map(t => {
    const angle = (-2 * Math.PI * modulo(f * axis.d * t, n)) / n;
    return [Math.cos(angle), Math.sin(angle)];
  }));
  const [down, across] = [wave(rows, size[0]), wave(columns, size[1])];
  const values = new Float64Array(size[0] * size[1]);
  across.forEach((beside, column) => {
    const along = range(rows.k).map(a => beside.reduce(([re, im], [c, s], b) => {
      const w = layer.weights[a * columns.k + b];
      return [re + w * c, im + w * s];
    }, [0, 0]));
    down.forEach((above, row) => {
      let re = 0, im = 0;
      above.forEach(([c, s], a) => { re += c * along[a][0] - s * along[a][1]; im += c * along[a][1] + s * along[a][0]; });
      values[row * size[1] + column] = re * re + im * im;
    });
  });
  return { values, size };
}

// Energy of the spectral images over that of the base band, for an input of power 1/f^2; a constant is left out.
function imaging(layer, gain = powerGain(layer)) {
  const periods = gain.size.map(n => (n === 1 ? 1 : PERIOD));
  const natural = (place, a) => {
    const f = modulo(place, periods[a]), half = periods[a] / 2;
    return ((f > half ? f - periods[a] : f) / periods[a]) ** 2;
  };
  let within = 0, whole = 0;
  for (const row of range(gain.size[0]))
    for (const column of range(gain.size[1])) {
      const squared = natural(row, 0) + natural(column, 1);
      if (squared === 0) continue;
      const power = gain.values[row * gain.size[1] + column] / squared;
      const inside = [row, column].every((place, a) => Math.min(place, gain.size[a] - place) < periods[a] / 2);
      whole += power;
      if (inside) within += power;
    }
  return (whole - within) / within;
}

// One output row across a step from 0 to 1, over its plateau's mean; the plateau's mean is beside it.
function stepResponse(layer) {
  const size = [layer.axes[0] === ALONE ? 1 : 2 * STEP_AT, 2 * STEP_AT], s = layer.axes[1].s;
  const x = Float64Array.from({ length: size[0] * size[1] }, (_, i) => Number(i % size[1] >= STEP_AT));
  const y = gather(layer, x, size), row = layer.axes[0] === ALONE ? 0 : layer.axes[0].s * STEP_AT;
  const across = y.values.slice(row * y.size[1], (row + 1) * y.size[1]);
  const plateau = across.slice(s * (STEP_AT + 6), s * (STEP_AT + 12));
  const mean = sum([...plateau]) / plateau.length;
  return { row: [...across].map(v => v / (mean || 1)), mean };
}

// Weights of bilinear interpolation along one axis for a kernel of k taps (Long et al., 2015: FCN's fixed kernels).
function bilinearTaps(k) {
  const factor = Math.floor((k + 1) / 2), centre = k % 2 ? factor - 1 : factor - 0.5;
  return range(k).map(i => 1 - Math.abs(i - centre) / factor);
}

// n numbers, normally distributed, that are the same for the same seed (mulberry32; Box and Muller).
function normalNumbers(n, seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return range(n).map(() => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}
