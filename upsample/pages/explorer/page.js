"use strict";
// The page: what the controls say, the layer that they make, and what is drawn of it.

const LIMITS = { k: [1, 9], s: [1, 4], d: [1, 5] };
const EXAMPLES = [
  ["a forum's question: kernel 3, stride 2, dilation 2", { dims: 2, k: 3, s: 2, d: 2, p: 2, o: 0, fit: false, weights: "count" }],
  ["kernel 3, stride 2: uneven", { k: 3, s: 2, d: 1, fit: true, weights: "equal" }],
  ["kernel 4, stride 2: even", { k: 4, s: 2, d: 1, fit: true, weights: "equal" }],
  ["even, but random weights", { k: 4, s: 2, d: 1, fit: true, weights: "random" }],
  ["bilinear × 2", { k: 4, s: 2, d: 1, fit: true, weights: "bilinear" }],
  ["dilated: kernel 4, dilation 3", { k: 4, s: 2, d: 3, fit: true, weights: "equal" }],
  ["stride 3, dilation 3: holes", { k: 3, s: 3, d: 3, fit: true, weights: "equal" }],
];
const state = { dims: 2, k: 3, s: 2, d: 1, p: 1, o: 1, fit: true, weights: "equal", seed: 0, own: [], framework: "PyTorch" };
const $ = id => document.getElementById(id);

// The layer of the state, after bringing the state into its limits.
function currentLayer() {
  const whole = (value, [least, most]) => Math.min(most, Math.max(least, Math.round(Number(value)) || least));
  for (const key of Object.keys(LIMITS)) state[key] = whole(state[key], LIMITS[key]);
  const { k, s, d } = state;
  if (state.fit) [state.p, state.o] = paddingFor(k, s, d);
  state.o = whole(state.o, [0, state.fit ? state.o : Math.max(s, d) - 1]);
  state.p = whole(state.p, [0, mostPadding()]);
  const axis = { k, s, d, p: state.p, o: state.o };
  return { axes: [state.dims === 1 ? ALONE : axis, axis], weights: weightsOf() };
}

// Of the three by three pixels of that example, one at least must be left.
function mostPadding() {
  const { k, s, d, o } = state;
  return Math.min(d * (k - 1), Math.floor((2 * s + d * (k - 1) + o) / 2));
}

function weightsOf() {
  const n = state.k ** state.dims, along = bilinearTaps(state.k);
  if (state.weights === "own") return range(n).map(i => state.own[i] ?? 1);
  if (state.weights === "bilinear") return state.dims === 1 ? along : outer(along, along);
  if (state.weights === "random") return normalNumbers(n, state.seed);
  return range(n).map(i => (state.weights === "count" ? i + 1 : 1));
}

function draw() {
  const layer = currentLayer();
  drawControls(layer);
  drawVerdict(layer);
  $("sentence").textContent = drawLanding(layer, $("landing"));
  drawMxnet(layer);
  drawPhases(layer);
  drawCurves(layer);
  drawPictures(layer, { whole: $("whole"), given: $("given"), made: $("made"), even: $("even"), profile: $("profile"), note: $("picture-note") });
  drawCode(layer);
  const { own, framework, ...rest } = state;
  const kept = { ...rest, fit: Number(state.fit), ...(state.weights === "own" ? { own: layer.weights.map(w => Number(w.toPrecision(6))) } : {}) };
  window.history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

function drawControls(layer) {
  for (const key of ["k", "s", "d", "p", "o"]) {
    if (key === "p") $("p").max = mostPadding();
    if (key === "o") $("o").max = Math.max(state.s, state.d, state.o + 1) - 1;
    $(key).value = state[key];
    $(`${key}-shown`).textContent = state[key];
  }
  $("fit").checked = state.fit;
  $("weights").value = state.weights;
  $("seed").value = state.seed;
  $("seed-row").hidden = state.weights !== "random";
  for (const button of document.querySelectorAll("[data-axes]")) button.setAttribute("aria-pressed", Number(button.dataset.axes) === state.dims);
  const editor = $("kernel"), largest = Math.max(...layer.weights.map(Math.abs), 1e-9);
  editor.style.gridTemplateColumns = `repeat(${state.k}, 1fr)`;
  if (editor.children.length !== layer.weights.length) editor.replaceChildren(...layer.weights.map((_, i) => tapControl(i)));
  layer.weights.forEach((weight, i) => {
    const tap = editor.children[i], high = 50 * Math.abs(weight) / largest;
    tap.lastChild.textContent = told(weight);
    tap.setAttribute("aria-valuenow", weight);
    const bar = tap.firstChild.firstChild;
    for (const [name, value] of [["y", weight < 0 ? 50 : 50 - high], ["height", high], ["opacity", 0.45]]) bar.setAttribute(name, value);
  });
}

// A weight that is dragged up and down, or changed by the arrow keys.
function tapControl(i) {
  const bar = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none" }, svg("rect", { x: 0, width: 100, class: "bar" }));
  const tap = html("div", { class: "tap", role: "slider", tabindex: 0, "aria-label": `weight ${i + 1}`, "aria-valuemin": -9, "aria-valuemax": 99 }, bar, html("span"));
  const set = value => {
    state.own = [...currentLayer().weights];
    state.own[i] = Math.round(value * 100) / 100;
    state.weights = "own";
    draw();
  };
  let from = null;
  tap.onpointerdown = event => { from = [event.clientY, currentLayer().weights[i]]; tap.setPointerCapture(event.pointerId); };
  tap.onpointermove = event => { if (from) set(from[1] + (from[0] - event.clientY) / 40); };
  tap.onpointerup = tap.onpointercancel = () => { from = null; };
  tap.onkeydown = event => {
    const by = { ArrowUp: 0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowLeft: -0.1, PageUp: 1, PageDown: -1 }[event.key];
    if (by) { set(currentLayer().weights[i] + by); event.preventDefault(); }
  };
  return tap;
}

function drawVerdict(layer) {
  const { k, s, d, p, o } = layer.axes[1], found = overlap(layer), printed = imbalance(layer), taps = found.taps[1];
  const [main, good, more] = words(layer, found, printed);
  const rest = 1 - 2 * p + o + d * (k - 1) - s, power = state.dims === 1 ? 1 : 2;
  const numbers = {
    "output size": `${s === 1 ? "" : s}n${rest ? ` ${rest > 0 ? "+" : "−"} ${Math.abs(rest)}` : ""}`,
    "taps of each phase": taps.join(" "),
    holes: percent(found.holes),
    "checkerboard on a constant": told(printed),
    "spectral images / base band": told(imaging(layer)),
    "multiply-adds per output pixel": told((k / s) ** power),
  };
  const list = html("dl", { class: "numbers" });
  for (const [name, value] of Object.entries(numbers))
    list.append(html("div", {}, html("dt", {}, name), html("dd", { "data-number": name }, value)));
  $("verdict").replaceChildren(html("p", { class: `main ${good ? "good" : "bad"}` }, main), html("p", {}, more), list);
  if (found.even || s === 1) return;
  const near = html("p", {}, "What would be even: ");
  for (const [kernel, dilation] of evenSettings(k, s, d)) {
    const button = html("button", {}, `kernel ${kernel}, dilation ${dilation}`);
    button.onclick = () => { Object.assign(state, { k: kernel, d: dilation, fit: true, weights: state.weights === "own" ? "equal" : state.weights }); draw(); };
    if (kernel <= LIMITS.k[1] && dilation <= LIMITS.d[1]) near.append(button);
  }
  $("verdict").append(near);
}

// What the setting does in a sentence, whether that is good, and why.
function words(layer, { holes, even }, printed) {
  const { k, s, d } = layer.axes[1], common = gcd(s, d);
  if (s === 1) return ["Nothing is enlarged: this is an ordinary convolution" + (d > 1 ? ", dilated." : "."), true,
    "Its kernel is turned by 180 degrees. With stride 1 every output pixel has the same taps."];
  if (holes > 0) return [`${percent(holes)} of the output pixels are holes: no tap ever reaches them.`, false,
    common > 1 ? `Stride ${s} and dilation ${d} share the factor ${common}, so all taps land on every ${common}${common === 2 ? "nd" : common === 3 ? "rd" : "th"} pixel. No weights and no training change that.`
      : `${k} taps are fewer than the stride, ${s}. No weights and no training change that.`];
  if (!even) return printed === 0
    ? ["The overlap is uneven, but these weights make up for it.", true, "All phases sum to the same, so a constant stays constant. Training is free to lose that."]
    : ["The overlap is uneven: it prints a checkerboard.", false, `Stride ${s} does not divide kernel ${k}, so some output pixels sum more taps than others. A constant input comes out with a pattern ${told(printed)} times as strong as the constant.`];
  return printed === 0
    ? ["Even: a constant comes out constant.", true, "Every output pixel is reached by as many taps, and all phases' weights sum to the same."]
    : ["The overlap is even, but these weights print a checkerboard.", false, `Each phase sums weights of its own, and the sums differ: a constant input comes out with a pattern ${told(printed)} times as strong. Training may or may not bring them together.`];
}

function drawMxnet(layer) {
  const { s, d } = layer.axes[1];
  $("mxnet").hidden = !(s > 1 && d > 1);
  if ($("mxnet").hidden) return;
  const size = layer.axes[0] === ALONE ? [1, 3] : [3, 3], x = new Float64Array(size[0] * size[1]);
  x[(x.length - 1) / 2] = 1;
  const right = gather(layer, x, size), wrong = gather(layer, x, size, meetingsOfOldMxnet);
  const side = Math.min(40, 420 / right.size[1]);
  const differs = i => right.values[i] !== wrong.values[i], many = [...right.values.keys()].filter(differs).length;
  const grid = (of, mark, caption) => html("figure", {}, numberGrid(of.values, of.size, side, (r, c) => mark(r * of.size[1] + c), caption), html("figcaption", {}, caption));
  $("answers").replaceChildren(
    grid(right, i => (right.values[i] ? "to" : ""), "right: PyTorch, Caffe, ONNX, JAX, MXNet since 2021"),
    grid(wrong, i => (differs(i) ? "wrong" : wrong.values[i] ? "to" : ""), many ? `MXNet on the CPU before; ${many} pixels differ` : "MXNet on the CPU before: by luck the same here"));
}

function drawPhases(layer) {
  const { taps } = overlap(layer), sums = phaseSums(layer), size = [sums.length, sums[0].length];
  const counts = taps[0].flatMap(a => taps[1].map(b => a * b)), level = sum(sums.flat()) / sums.flat().length;
  const side = Math.min(64, 260 / size[1]), grid = (values, mark, label) => numberGrid(values, size, side, (r, c) => mark(r * size[1] + c), label);
  const constant = html("canvas"), repeat = state.dims === 1 ? 1 : 6;
  const tile = size.map((n, a) => n * (a ? 6 : repeat));
  const grey = Float64Array.from({ length: tile[0] * tile[1] }, (_, i) => {
    const g = sums[Math.floor(i / tile[1]) % size[0]][(i % tile[1]) % size[1]];
    return level ? Math.min(255, Math.max(0, (128 * g) / level)) : 128;
  });
  paintPart(constant, { size: tile, channels: [grey, grey, grey] }, [0, 0], tile, 16, state.dims === 1 ? 48 : 16);
  const panel = (drawing, caption) => html("figure", {}, drawing, html("figcaption", {}, caption));
  $("phases").replaceChildren(
    panel(grid(counts, i => (counts[i] ? "" : "hole"), "taps of each phase"), "Taps that reach each output phase (output pixel modulo stride)"),
    panel(grid(sums.flat(), () => "", "sum of the weights of each phase"), "Sum of the weights of each phase: what it makes of a constant 1"),
    panel(constant, "What a constant grey becomes"));
}

function drawCurves(layer) {
  const s = layer.axes[1].s, response = stepResponse(layer), even = stepResponse(evenLayer(layer));
  const offset = axis => Math.round((reach(axis) - axis.s) / 2 - axis.p);
  const points = (row, by) => row.map((v, i) => [(i - by + 0.5) / s - STEP_AT, v]).filter(([x]) => Math.abs(x) <= 7);
  const extremes = points(response.row, offset(layer.axes[1])).map(point => point[1]);
  const up = [Math.max(-4, Math.min(-0.25, ...extremes)), Math.min(5, Math.max(1.25, ...extremes) * 1.05)];
  $("step").replaceChildren(chart({
    curves: [{ points: points(even.row, offset(evenLayer(layer).axes[1])), className: "reference", steps: true },
      { points: points(response.row, offset(layer.axes[1])), steps: true }],
    across: [-7, 7], up, ticksAcross: [-6, -4, -2, 0, 2, 4, 6].map(v => [v, told(v)]),
    ticksUp: range(Math.floor(up[1]) - Math.ceil(up[0]) + 1).map(i => [Math.ceil(up[0]) + i, told(Math.ceil(up[0]) + i)]),
    nameAcross: "input pixels from the step; dashed: bilinear", label: "step response",
  }));
  const gain = powerGain(layer), n = gain.size[1], zero = gain.values[0];
  const half = range(Math.floor(n / 2) + 1).map(f => [f / n, zero ? 10 * Math.log10(Math.max(gain.values[f] / zero, 1e-6)) : 0]);
  const board = range(Math.floor(s / 2)).map(m => ({ x: (m + 1) / s, className: "checkerboard" }));
  $("frequency").replaceChildren(chart({
    curves: [{ points: half }], lines: [...(s > 1 ? [{ x: 0.5 / s, className: "edge" }] : []), ...board],
    across: [0, 0.505], up: [-50, Math.max(6, Math.min(30, 3 + Math.max(...half.map(point => point[1]))))],
    ticksAcross: [0, 0.1, 0.2, 0.3, 0.4, 0.5].map(v => [v, String(v)]), ticksUp: [-50, -40, -30, -20, -10, 0].map(v => [v, told(v)]),
    nameAcross: "cycles per output pixel; up: dB against a constant", label: "frequency response",
  }));
}

function drawCode(layer) {
  const found = codes(layer);
  $("tabs").replaceChildren(...Object.keys(found).map(name => {
    const tab = html("button", { role: "tab", "aria-selected": name === state.framework }, name);
    tab.onclick = () => { state.framework = name; drawCode(currentLayer()); };
    return tab;
  }));
  $("code").textContent = found[state.framework].code;
  $("code-note").textContent = found[state.framework].note;
}

function readLink() {
  for (const [key, value] of new URLSearchParams(window.location.hash.slice(1))) {
    if (key === "own") state.own = value.split(",").map(Number).map(w => (Number.isFinite(w) ? w : 1));
    else if (key === "weights" && [...$("weights").options].some(option => option.value === value)) state.weights = value;
    else if (key === "fit") state.fit = value === "1";
    else if (key === "dims") state.dims = value === "1" ? 1 : 2;
    else if (["k", "s", "d", "p", "o", "seed"].includes(key)) state[key] = Math.max(0, Math.round(Number(value)) || 0);
  }
}

async function copy(text, place) {
  try { await navigator.clipboard.writeText(text); place.textContent = "copied"; }
  catch { place.textContent = "this browser does not let a page copy; mark the text instead"; }
}

async function take(file) {
  if (!file) return;
  try { picture = readPicture(await createImageBitmap(file)); draw(); }
  catch { $("picture-note").textContent = `${file.name} is no picture that this browser can read; a PNG or JPEG works.`; }
}

function begin() {
  readLink();
  for (const [name, setting] of EXAMPLES) {
    const button = html("button", {}, name);
    button.onclick = () => { Object.assign(state, setting); chosen = { side: "input", at: [2, state.dims === 1 ? 3 : 2] }; draw(); };
    $("examples").append(button);
  }
  for (const key of ["k", "s", "d", "p", "o"])
    $(key).oninput = event => { state[key] = Number(event.target.value); if ("po".includes(key)) state.fit = false; draw(); };
  $("fit").onchange = event => { state.fit = event.target.checked; draw(); };
  $("weights").onchange = event => { if (event.target.value === "own") state.own = [...currentLayer().weights]; state.weights = event.target.value; draw(); };
  $("seed").oninput = event => { state.seed = Math.max(0, Math.round(Number(event.target.value)) || 0); draw(); };
  for (const button of document.querySelectorAll("[data-axes]"))
    button.onclick = () => { state.dims = Number(button.dataset.axes); if (state.weights === "own") state.weights = "equal"; draw(); };
  $("landing").onclick = event => { if (choose(event, currentLayer())) draw(); };
  $("landing").onkeydown = event => {
    if (!choose(event, currentLayer())) return;
    draw();
    $("landing").querySelector(`[data-side=${chosen.side}]`)?.focus();
  };
  $("whole").onclick = $("whole").onkeydown = event => { if (moveCorner(event, currentLayer())) draw(); };
  $("file").onchange = event => take(event.target.files[0]);
  const place = $("pictures");
  place.ondragover = event => { event.preventDefault(); place.classList.add("over"); };
  place.ondragleave = () => place.classList.remove("over");
  place.ondrop = event => { event.preventDefault(); place.classList.remove("over"); take(event.dataTransfer.files[0]); };
  $("copy").onclick = () => copy($("code").textContent, $("copied-code"));
  $("link").onclick = () => copy(window.location.href, $("copied"));
  draw();
}

begin();
