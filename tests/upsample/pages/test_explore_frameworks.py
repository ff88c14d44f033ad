"""What the page of sliders says of other frameworks: code that computes what it shows, and what MXNet printed."""

import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("selenium", reason="the page is tested in a browser, which needs selenium")
from selenium.webdriver.common.by import By

from upsample.algebra.frameworks import from_caffe, from_mxnet

CONVOLVE = {1: F.conv_transpose1d, 2: F.conv_transpose2d}


def table(browser: Any, figure: int) -> list[list[str]]:
    texts = browser.find_elements(By.CSS_SELECTOR, "#answers figure")[figure].find_elements(By.TAG_NAME, "text")
    numbers = [text.text for text in texts]
    side = int(len(numbers) ** 0.5)
    return [numbers[i : i + side] for i in range(0, len(numbers), side)]


def test_what_mxnet_printed_in_11203_and_11629(opened: Any) -> None:
    """Both wrong outputs as their threads quote them, the right one beside the first."""
    assert [" ".join(row) for row in table(opened, 0)] == [
        "1 0 2 0 3",
        "0 0 0 0 0",
        "4 0 5 0 6",
        "0 0 0 0 0",
        "7 0 8 0 9",
    ]
    assert [" ".join(row) for row in table(opened, 1)] == [
        "0 0 0 0 0",
        "0 1 0 2 3",
        "0 0 0 0 0",
        "0 4 0 5 6",
        "0 7 0 8 9",
    ]
    printed = opened.execute_script(
        "const axis = {k: 2, s: 2, d: 2, p: 0, o: 0}, layer = {axes: [axis, axis], weights: [0, 1, 2, 3]};"
        "return [...gather(layer, range(9), [3, 3], meetingsOfOldMxnet).values]"
    )
    assert np.array(printed).reshape(7, 7).tolist() == [
        [0, 0, 0, 0, 1, 0, 2],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 2, 3, 4, 6],
        [0, 0, 3, 0, 4, 0, 5],
        [6, 0, 9, 8, 12, 10, 15],
        [0, 0, 6, 0, 7, 0, 8],
        [12, 0, 18, 14, 21, 16, 24],
    ]
    opened.execute_script("Object.assign(state, {d: 1}); draw()")
    assert not opened.find_element(By.ID, "mxnet").is_displayed()  # without dilation it was right


def code(browser: Any, framework: str, setting: tuple) -> str:
    names = "[state.dims, state.k, state.s, state.d, state.p, state.o, state.weights] = arguments[0];"
    rest = "Object.assign(state, {fit: false, framework: arguments[1]}); draw()"
    browser.execute_script(names + rest, setting, framework)
    return browser.find_element(By.ID, "code").get_attribute("textContent")


def run(text: str, x: Any) -> np.ndarray:
    names: dict[str, Any] = {"x": x}
    exec(text, names)
    return np.asarray(names["y"].detach() if isinstance(names["y"], Tensor) else names["y"])


SETTINGS = [
    (2, 3, 2, 2, 2, 0, "count"),
    (2, 4, 2, 3, 4, 0, "random"),
    (1, 3, 2, 1, 1, 1, "count"),
    (2, 5, 3, 2, 4, 1, "count"),
    (2, 2, 3, 1, 0, 1, "count"),
    (1, 4, 1, 2, 3, 0, "random"),
]


@pytest.mark.filterwarnings("ignore")
def test_the_code_computes_what_the_page_shows(opened: Any) -> None:
    for setting in SETTINGS:
        dims, k, s, d, p, o, _ = setting
        size = [5, 6][:dims]
        x = np.random.default_rng(0).normal(size=(1, 1, *size)).astype(np.float32)
        text = code(opened, "PyTorch", setting)
        weight = torch.tensor(opened.execute_script("return [...currentLayer().weights]"), dtype=torch.float32)
        weight = weight.view(1, 1, *[k] * dims)
        right = CONVOLVE[dims](torch.from_numpy(x), weight, None, s, p, o, 1, d)
        close = {"rtol": 1e-4, "atol": 1e-4, "msg": str(setting)}
        torch.testing.assert_close(torch.from_numpy(run(text, torch.from_numpy(x))), right, **close)
        for framework in ("ONNX", "JAX"):
            made = run(code(opened, framework, setting), x)
            torch.testing.assert_close(torch.from_numpy(np.array(made)), right, **close)
        torch.testing.assert_close(by_keras(code(opened, "Keras", setting), x, dims, s), right, **close)
        if dims == 2:
            found = dict(re.findall(r"(\w+)=(\d+)", code(opened, "MXNet", setting)))
            layer = from_mxnet(weight, stride=int(found["strides"]), pad=int(found["padding"]),
                               adj=int(found["output_padding"]), dilate=int(found["dilation"]))  # fmt: skip
            torch.testing.assert_close(layer(torch.from_numpy(x)), right, **close)
            found = dict(re.findall(r"(\w+): (\d+)", code(opened, "Caffe", setting)))
            layer = from_caffe(
                weight, stride=int(found["stride"]), pad=int(found["pad"]), dilation=int(found["dilation"])
            )
            made = layer(torch.from_numpy(x))
            torch.testing.assert_close(made, right[..., : made.shape[-2], : made.shape[-1]], **close)
            note = opened.find_element(By.ID, "code-note").text
            assert ("no output_padding" in note) == (o > 0) == (made.shape != right.shape)


def by_keras(text: str, x: np.ndarray, dims: int, s: int) -> Tensor:
    """What the code for Keras computes, by Keras' own definition of "valid": s(n-1) + max(d(k-1) + 1, s) pixels."""
    assert 'padding="valid"' in text
    names: dict[str, Any] = {}
    exec(
        re.search(r"w = np\.array\(.*?(?=\nlayer)", text, re.DOTALL)[0].replace(
            "w = np", "import numpy as np\nw = np", 1
        ),
        names,
    )
    dilation = int(re.search(r"dilation_rate=(\d+)", text)[1])
    assert s == 1 or dilation == 1  # it refuses both
    weight = torch.from_numpy(np.ascontiguousarray(names["w"], np.float32))[None, None]
    y = CONVOLVE[dims](torch.from_numpy(x), weight, None, s, 0, 0, 1, dilation)
    for axis in range(2, 2 + dims):
        missing = max(0, s - (dilation * (weight.shape[axis] - 1) + 1))
        y = F.pad(y, [0, 0] * (1 + dims - axis) + [0, missing])
    for kind, sign in (("Cropping", -1), ("ZeroPadding", 1)):
        if found := re.search(rf"{kind}{dims}D\((.*)\),", text):
            first, last = (int(v) * sign for v in re.findall(r"\d+", found[1])[:2])
            y = F.pad(y, [first, last] * dims)
    return y
