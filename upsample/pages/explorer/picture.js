"use strict";
// What a picture becomes: the layer over each colour of it, beside the same part enlarged by bilinear interpolation.

const LONGEST = 96, MAGNIFIED = 16; // input pixels of the picture's longer side, and of the part that is magnified
let picture = null; // {channels: [Float64Array, ...], size: [rows, columns]}
let corner = [0, 0]; // of the part that is magnified, in input pixels

// A picture to begin with: a sky that darkens, a sun, a mountain, a fence, and fine stripes.
function drawnPicture() {
  const canvas = html("canvas", { width: LONGEST, height: LONGEST }), paint = canvas.getContext("2d");
  const sky = paint.createLinearGradient(0, 0, 0, 96);
  sky.addColorStop(0, "#3d6fa8"); sky.addColorStop(1, "#f0c9a0");
  paint.fillStyle = sky; paint.fillRect(0, 0, 96, 96);
  paint.fillStyle = "#ffe9b0"; paint.beginPath(); paint.arc(66, 28, 13, 0, 7); paint.fill();
  paint.fillStyle = "#4a5a55"; paint.beginPath(); paint.moveTo(0, 78); paint.lineTo(34, 34); paint.lineTo(58, 66);
  paint.lineTo(74, 52); paint.lineTo(96, 76); paint.lineTo(96, 96); paint.lineTo(0, 96); paint.fill();
  paint.fillStyle = "#8fa06a"; paint.fillRect(0, 78, 96, 18);
  paint.fillStyle = "#f4f1e8";
  for (const post of range(12)) paint.fillRect(4 + 8 * post, 80, 3, 13);
  return readPicture(canvas);
}

// The numbers of anything that can be drawn, at most LONGEST pixels a side.
function readPicture(source) {
  const scale = Math.min(1, LONGEST / Math.max(source.width, source.height));
  const size = [source.height, source.width].map(n => Math.max(MAGNIFIED, Math.round(n * scale)));
  const canvas = html("canvas", { width: size[1], height: size[0] }), paint = canvas.getContext("2d");
  paint.imageSmoothingQuality = "high";
  paint.drawImage(source, 0, 0, size[1], size[0]);
  const pixels = paint.getImageData(0, 0, size[1], size[0]).data;
  corner = size.map(n => Math.round((n - MAGNIFIED) * 0.55));
  return { size, channels: range(3).map(c => Float64Array.from({ length: size[0] * size[1] }, (_, i) => pixels[4 * i + c])) };
}

// Bilinear interpolation of the same stride: even, and its phases sum alike.
function evenLayer(layer) {
  const axes = layer.axes.map(axis => {
    if (axis === ALONE) return ALONE;
    const k = 2 * axis.s - (axis.s % 2), [p, o] = paddingFor(k, axis.s, 1);
    return { k, s: axis.s, d: 1, p, o };
  });
  return { axes, weights: outer(...axes.map(axis => bilinearTaps(axis.k))) };
}

const outer = (rows, columns) => rows.flatMap(a => columns.map(b => a * b));

// The picture through a layer, as bright as it was: over the mean of the phases' sums, or of their sizes if that is nil.
function through(layer) {
  const sums = phaseSums(layer).flat(), sizes = phaseSums({ ...layer, weights: layer.weights.map(Math.abs) }).flat();
  const mean = sum(sums) / sums.length, size = sum(sizes) / sizes.length, dim = Math.abs(mean) < 0.02 * size;
  const level = dim ? size : mean;
  const made = picture.channels.map(channel => gather(layer, channel, picture.size));
  return { size: made[0].size, channels: made.map(each => each.values.map(v => v / (level || 1))), dim };
}

// A part of a picture on a canvas, each pixel as `wide` by `high` pixels of the canvas.
function paintPart(canvas, { size, channels }, [top, left], [rows, columns], wide, high) {
  const small = new ImageData(columns, rows);
  for (const row of range(rows))
    for (const column of range(columns)) {
      const [y, x] = [top + row, left + column], i = row * columns + column;
      if (y < 0 || x < 0 || y >= size[0] || x >= size[1]) continue;
      channels.forEach((channel, c) => { small.data[4 * i + c] = Math.round(channel[y * size[1] + x]); });
      small.data[4 * i + 3] = 255;
    }
  const exact = html("canvas", { width: columns, height: rows });
  exact.getContext("2d").putImageData(small, 0, 0);
  canvas.width = columns * wide; canvas.height = rows * high;
  const paint = canvas.getContext("2d");
  paint.imageSmoothingEnabled = false;
  paint.drawImage(exact, 0, 0, canvas.width, canvas.height);
}

function drawPictures(layer, places) {
  picture ??= drawnPicture();
  const even = evenLayer(layer), made = through(layer), reference = through(even);
  const scale = layer.axes.map(axis => axis.s), part = scale.map(s => s * MAGNIFIED);
  // Where the input's pixels lie on an output whose padding need not centre it.
  const shift = which => which.axes.map(axis => Math.round((reach(axis) - axis.s) / 2 - axis.p));
  const start = which => shift(which).map((by, a) => scale[a] * corner[a] + by);
  const unit = Math.ceil(24 / scale[1]), tall = (unit * scale[1]) / scale[0];
  paintPart(places.whole, made, [0, 0], made.size, 4, (4 * scale[1]) / scale[0]);
  const paint = places.whole.getContext("2d"), [top, left] = start(layer);
  paint.strokeStyle = "#ff5a00"; paint.lineWidth = 8;
  paint.strokeRect(left * 4, (top * 4 * scale[1]) / scale[0], part[1] * 4, part[1] * 4);
  paintPart(places.given, picture, corner, [MAGNIFIED, MAGNIFIED], unit * scale[1], unit * scale[1]);
  paintPart(places.made, made, start(layer), part, unit, tall);
  paintPart(places.even, reference, start(even), part, unit, tall);
  const middle = which => start(which)[0] + Math.floor(part[0] / 2);
  const row = ({ size, channels }, at, from, count) => range(count).map(i =>
    sum(channels.map(channel => channel[at * size[1] + from + i] ?? NaN)) / 3);
  const dots = (values, step) => values.map((v, i) => [i / step, v]).filter(([, v]) => Number.isFinite(v));
  places.profile.replaceChildren(chart({
    curves: [
      { points: dots(row(picture, corner[0] + MAGNIFIED / 2, corner[1], MAGNIFIED), 1), className: "given", steps: true },
      { points: dots(row(reference, middle(even), start(even)[1], part[1]), scale[1]).map(([x, v]) => [x + 0.5 / scale[1], v]), className: "reference" },
      { points: dots(row(made, middle(layer), start(layer)[1], part[1]), scale[1]).map(([x, v]) => [x + 0.5 / scale[1], v]) },
    ],
    across: [0, MAGNIFIED], up: [0, 255], ticksAcross: [0, 4, 8, 12, 16].map(v => [v, v]),
    ticksUp: [0, 64, 128, 192, 255].map(v => [v, v]), nameAcross: "input pixels", label: "one row of the picture", width: 940,
  }));
  places.note.textContent = `${picture.size[1]} × ${picture.size[0]} pixels become ${made.size[1]} × ${made.size[0]}` +
    (layer.axes[0] === ALONE ? ", along the rows only (drawn stretched)" : "") +
    (made.dim ? ". These weights sum to almost nothing, so brightness is scaled by their sizes."
      : ". Weights are scaled so that brightness stays; pixels outside the picture count as 0.");
}

// Moves the magnified part to a click on the whole, or by an arrow key.
function moveCorner(event, layer) {
  const limit = (at, a) => Math.min(Math.max(0, Math.round(at)), picture.size[a] - MAGNIFIED);
  if (event.type === "click") {
    const box = event.currentTarget.getBoundingClientRect();
    const share = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    corner = share.map((v, a) => limit(v * picture.size[a] - MAGNIFIED / 2, a));
    return true;
  }
  const steps = { ArrowLeft: [0, -4], ArrowRight: [0, 4], ArrowUp: [-4, 0], ArrowDown: [4, 0] }[event.key];
  if (!steps) return false;
  corner = corner.map((at, a) => limit(at + steps[a], a));
  event.preventDefault();
  return true;
}
