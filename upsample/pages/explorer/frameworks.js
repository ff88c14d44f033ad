"use strict";
// What each framework calls the layer, and code that computes the same there. Tests run the code of those that are
// installed, and compare the settings of the others with upsample/algebra/frameworks.py.

// {name: {code, note}} for a layer; dims: 1 or 2. The code expects an input x and leaves the output in y.
function codes(layer) {
  const axis = layer.axes[1], { k, s, d, p, o } = axis, dims = layer.axes[0] === ALONE ? 1 : 2;
  const rounded = [...layer.weights].map(w => String(Number(w.toPrecision(7))));
  const rows = range(layer.axes[0].k).map(a => `[${rounded.slice(a * k, (a + 1) * k).join(", ")}]`);
  const weights = `w = np.array(${dims === 1 ? rows[0] : `[${rows.join(",\n              ")}]`}, np.float32)`;
  const each = value => (dims === 1 ? `(${value},)` : `(${value}, ${value})`);
  const list = value => `[${Array(dims).fill(value).join(", ")}]`;
  const both = s > 1 && d > 1;
  return {
    PyTorch: pytorch(), MXNet: mxnet(), Caffe: caffe(), Keras: keras(), ONNX: onnx(), JAX: jax(), Evenly: evenly(),
  };

  function pytorch() {
    const most = Math.max(s, d);
    return {
      code: `import numpy as np
import torch

${weights}
layer = torch.nn.ConvTranspose${dims}d(
    1, 1, kernel_size=${k}, stride=${s}, padding=${p}, output_padding=${o}, dilation=${d}, bias=False
)
with torch.no_grad():
    layer.weight.copy_(torch.from_numpy(w))
y = layer(x)  # x (N, 1, ${dims === 1 ? "length" : "height, width"}) float32`,
      note: `nn.ConvTranspose${dims}d; weights are (in, out/groups, ${dims === 1 ? "k" : "kh, kw"}). It takes an ` +
        `output_padding below max(stride, dilation) = ${most}. Nothing in it warns of holes.`,
    };
  }

  function mxnet() {
    const lines = [`gluon.nn.Conv${dims}DTranspose, or the symbol Deconvolution with pad=, dilate=, adj=. Weights as PyTorch's.`];
    if (both) lines.push("On the CPU, versions before pull request 20292 (2021) computed this setting wrongly: see below.");
    if (o >= s && o > 0) lines.push(`It refuses output_padding=${o}: below the stride, ${s}, is what it takes.`);
    return {
      code: `import mxnet as mx
import numpy as np

${weights}
layer = mx.gluon.nn.Conv${dims}DTranspose(
    channels=1, in_channels=1, kernel_size=${k}, strides=${s}, padding=${p}, output_padding=${o}, dilation=${d}, use_bias=False
)
layer.initialize()
layer.weight.set_data(mx.nd.array(w.reshape(1, 1, *w.shape)))
y = layer(x)`,
      note: lines.join(" "),
    };
  }

  function caffe() {
    const sides = (name, value, other) =>
      dims === 2 ? `${name}: ${value}` : `${name.replace("_size", "")}_h: ${other} ${name.replace("_size", "")}_w: ${value}`;
    // Caffe has dilation as a list of numbers, one of each axis.
    const dilation = dims === 2 ? `dilation: ${d}` : `dilation: 1 dilation: ${d}`;
    return {
      code: `layer {
  name: "up"  type: "Deconvolution"  bottom: "x"  top: "y"
  convolution_param {
    num_output: 1  bias_term: false
    ${sides("kernel_size", k, 1)}  ${sides("stride", s, 1)}  ${sides("pad", p, 0)}  ${dilation}
  }
}`,
      note: "Deconvolution; the weights' blob is as PyTorch's." +
        (o ? ` It has no output_padding: its output lacks the last ${o} pixel${o > 1 ? "s" : ""}, ` +
          "which a smaller pad and a Crop layer give." : ""),
    };
  }

  function keras() {
    const spread = both, width = reach(axis), taps = spread ? width : k, dilation = spread ? 1 : d;
    const end = Math.max(width, s) - width + p - o; // what is left to cut after "valid"
    const pair = (first, last) => (dims === 1 ? `(${first}, ${last})` : `((${first}, ${last}), (${first}, ${last}))`);
    const cut = p || end > 0 ? `\n    keras.layers.Cropping${dims}D(${pair(p, Math.max(0, end))}),` : "";
    const added = end < 0 ? `\n    keras.layers.ZeroPadding${dims}D(${pair(0, -end)}),` : "";
    const zeros = spread
      ? `\nspread = np.zeros(${each(width)}, np.float32)\nspread[${Array(dims).fill(`::${d}`).join(", ")}] = w\nw = spread` : "";
    return {
      code: `import keras
import numpy as np

${weights}${zeros}
layer = keras.Sequential([
    keras.layers.Conv${dims}DTranspose(
        1, ${taps}, strides=${s}, padding="valid", dilation_rate=${dilation}, use_bias=False
    ),${cut}${added}
])
layer.build((None, ${Array(dims).fill("None").join(", ")}, 1))
layer.layers[0].set_weights([w.reshape(*w.shape, 1, 1)])
y = layer(x)  # x (N, ${dims === 1 ? "length" : "height, width"}, 1)`,
      note: `Conv${dims}DTranspose; weights are (${dims === 1 ? "k" : "kh, kw"}, out, in).` + (spread
        ? " Keras refuses a stride and a dilation above 1 together. The code puts the zeros between the taps itself: the " +
          `same numbers, for ${(width ** dims / k ** dims).toFixed(1)} times the multiply-adds.`
        : ' Its "same" cuts the odd pixel at the end, where PyTorch\'s padding=1, output_padding=1 cuts the first.'),
    };
  }

  function onnx() {
    return {
      code: `import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

${weights}
node = helper.make_node(
    "ConvTranspose", ["x", "w"], ["y"], kernel_shape=${list(k)}, strides=${list(s)},
    pads=[${Array(2 * dims).fill(p).join(", ")}], output_padding=${list(o)}, dilations=${list(d)},
)
graph = helper.make_graph(
    [node], "up",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * ${dims + 2})],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * ${dims + 2})],
    [numpy_helper.from_array(w.reshape(1, 1, *w.shape), "w")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
(y,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})`,
      note: "ConvTranspose; pads are all starts, then all ends; weights as PyTorch's. output_shape= decides the padding itself.",
    };
  }

  function jax() {
    const before = d * (k - 1) - p;
    const names = dims === 1 ? '("NCH", "OIH", "NCH")' : '("NCHW", "OIHW", "NCHW")';
    return {
      code: `import jax
import numpy as np

${weights}
w = np.flip(w).reshape(1, 1, *w.shape)  # (out, in, ${dims === 1 ? "k" : "kh, kw"}), turned by 180 degrees
y = jax.lax.conv_general_dilated(
    x, w, window_strides=${each(1)}, padding=[(${before}, ${before + o})] * ${dims},
    lhs_dilation=${each(s)}, rhs_dilation=${each(d)}, dimension_numbers=${names},
)`,
      note: "lax.conv_general_dilated: the stride is lhs_dilation, and padding is what is added around the stretched " +
        "input, d(k-1) - p. lax.conv_transpose turns no kernel unless transpose_kernel=True.",
    };
  }

  function evenly() {
    const [wanted, extra] = paddingFor(k, s, d), holes = overlap(layer).holes > 0;
    if (s === 1) return { code: "", note: "With stride 1 nothing is enlarged: this is nn.Conv2d with dilation." };
    const where = dims === 1 ? `(${s},)` : s;
    return {
      code: `import upsample

layer = upsample.build("deconv", 1, 1, ${where}, kernel_size=${k}, dilation=${d}, bias=False${holes ? ", allow_holes=True, balanced=False" : ""})
y = layer(x)  # exactly ${s} times as large`,
      note: (wanted === p && extra === o ? "" :
        `Its padding is always ${wanted} and its output_padding ${extra}, so that the output is ${s} times the input. `) +
        "A fresh layer's weights are PyTorch's random ones" +
        (holes ? ". Without allow_holes=True it refuses this setting and names what works." :
          ", moved as little as makes the phases' sums equal, which they stay; balanced=False leaves them free."),
    };
  }
}
