"""The page of sliders in a browser: its numbers are the Python algebra's, and it is worked by pointer and keys."""

import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("selenium", reason="the page is tested in a browser, which needs selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import upsample
from upsample.__main__ import main
from upsample.algebra.spectrum import gain_of, imaging_of
from upsample.pages.explore import page

DOCS = Path(upsample.__file__).parents[1] / "docs/explore.html"
LAYERS = {1: torch.nn.ConvTranspose1d, 2: torch.nn.ConvTranspose2d}
# dims, k, s, d, p, o, weights. Each pair of dims, kernel, stride and dilation; padding and weights take turns.
GRID = []
for n, (dims, k, s, d) in enumerate(product((1, 2), (1, 3, 4, 7), (1, 2, 3, 4), (1, 2, 3))):
    padding = [upsample.padding_for(k, s, d), (min(d * (k - 1), 1), 0), (0, max(s, d) - 1)][n % 3]
    GRID.append((dims, k, s, d, *padding, ["random", "equal", "random", "bilinear"][n % 4]))
# All that the page computes of a setting, by the functions that draw it.
ASK = """
const [dims, k, s, d, p, o, weights] = arguments[0];
Object.assign(state, {dims, k, s, d, p, o, weights, fit: false, seed: 5});
const layer = currentLayer(), gain = powerGain(layer), size = dims === 1 ? [1, 6] : [4, 6];
const x = normalNumbers(size[0] * size[1], 1), y = gather(layer, x, size), found = overlap(layer);
return {
  setting: [state.p, state.o], weights: [...layer.weights], x, y: [...y.values], size: y.size, taps: found.taps[1],
  holes: found.holes, even: found.even, variation: found.variation, imbalance: String(imbalance(layer)),
  sums: phaseSums(layer).flat(), imaging: String(imaging(layer, gain)), gain: [...gain.values],
  step: stepResponse(layer).row, plateau: stepResponse(layer).mean,
  near: evenSettings(k, s, d), fitting: paddingFor(k, s, d),
};
"""


def layer_of(answer: dict, dims: int, k: int, s: int, d: int, p: int, o: int) -> Any:
    layer = LAYERS[dims](1, 1, k, stride=s, padding=p, output_padding=o, dilation=d, bias=False).double()
    layer.weight.data = torch.tensor(answer["weights"], dtype=torch.float64).view(1, 1, *[k] * dims)
    return layer


def step_by_torch(layer: Any, dims: int, s: int) -> tuple[Tensor, float]:
    """As upsample.pages.explain draws it: the row across, over the mean of its plateau."""
    x = torch.zeros(1, 1, *[32] * dims, dtype=torch.float64)
    x[..., 16:] = 1
    row = layer(x)[0, 0] if dims == 1 else layer(x)[0, 0, s * 16]
    mean = row[s * 22 : s * 28].mean().item()
    return row / (mean or 1), mean


def test_every_number_is_the_algebras(opened: Any) -> None:
    compared = 0
    for setting in GRID:
        dims, k, s, d, p, o, _ = setting
        answer = opened.execute_script(ASK, setting)
        if answer["setting"] != [p, o]:
            continue  # the page narrows paddings that would leave nothing
        compared += 1
        layer = layer_of(answer, dims, k, s, d, p, o)
        x = torch.tensor(answer["x"], dtype=torch.float64).view(1, 1, *([4, 6] if dims == 2 else [6]))
        expected = layer(x)[0, 0].detach()
        assert answer["size"][-dims:] == list(expected.shape)
        close = {"rtol": 1e-9, "atol": 1e-9, "msg": str(setting)}
        torch.testing.assert_close(torch.tensor(answer["y"], dtype=torch.float64), expected.flatten(), **close)

        found = upsample.overlap([k] * dims, s, d)
        assert [answer["taps"][r] for r in range(s)] == [found.taps[0][(r + p) % s] for r in range(s)]
        assert (answer["holes"], answer["even"]) == (pytest.approx(found.hole_fraction), found.even)
        assert answer["variation"] == pytest.approx(found.variation)
        assert answer["fitting"] == list(upsample.padding_for(k, s, d))
        assert [tuple(pair) for pair in answer["near"]] == upsample.even_settings(k, s, d)

        parts = upsample.polyphase(layer)
        sums = [part.kernel.sum().item() for part in parts.phases.values()]
        assert answer["sums"] == pytest.approx(sums, abs=1e-12)
        number = float(answer["imbalance"].replace("Infinity", "inf"))
        assert number == pytest.approx(float(upsample.phase_imbalance(layer)), rel=1e-9)
        gain = gain_of(parts)
        torch.testing.assert_close(torch.tensor(answer["gain"], dtype=torch.float64), gain.flatten(), **close)
        assert float(answer["imaging"]) == pytest.approx(imaging_of(gain), rel=1e-9, abs=1e-12)
        row, mean = step_by_torch(layer, dims, s)
        assert answer["plateau"] == pytest.approx(mean, abs=1e-12)
        if abs(mean) > 1e-9:
            torch.testing.assert_close(torch.tensor(answer["step"], dtype=torch.float64), row.detach(), **close)
    assert compared > 90


def test_bilinear_weights_are_those_of_interpolation(opened: Any) -> None:
    for s in (2, 3, 4):
        taps = torch.tensor(opened.execute_script(f"return bilinearTaps({2 * s - s % 2})"), dtype=torch.float64)
        x = torch.randn(1, 1, 9, dtype=torch.float64)
        made = F.conv_transpose1d(x, taps.view(1, 1, -1), stride=s, padding=upsample.padding_for(len(taps), s)[0])
        expected = F.interpolate(x, scale_factor=s, mode="linear", align_corners=False)
        torch.testing.assert_close(made[..., s:-s], expected[..., s:-s])


def test_random_weights_are_normal_and_follow_the_seed(opened: Any) -> None:
    many = np.array(opened.execute_script("return normalNumbers(20000, 1)"))
    assert abs(many.mean()) < 0.03
    assert abs(many.std() - 1) < 0.03
    assert abs((np.abs(many) < 1).mean() - 0.683) < 0.015
    again = opened.execute_script("return normalNumbers(3, 1)")
    assert many[:3].tolist() == again != opened.execute_script("return normalNumbers(3, 2)")


def test_pointers_and_keys_work_and_nothing_is_loaded(opened: Any) -> None:
    sentence = opened.find_element(By.ID, "sentence")
    cell = opened.find_element(By.CSS_SELECTOR, '[data-side=output][data-row="3"][data-column="4"]')
    ActionChains(opened).scroll_to_element(cell).click(cell).perform()
    assert sentence.text.startswith("Output [3, 4] is reached by nothing")
    figure = opened.find_element(By.CSS_SELECTOR, "#landing figure.output")
    figure.send_keys(Keys.ARROW_DOWN)
    assert sentence.text == "Output [4, 4] = 1 · x[3, 3] + 2 · x[3, 2] + 3 · x[3, 1] + 4 · x[2, 3] + 5 · x[2, 2] + " \
        "6 · x[2, 1] + 7 · x[1, 3] + 8 · x[1, 2] + 9 · x[1, 1]"  # fmt: skip
    tap = opened.find_elements(By.CSS_SELECTOR, "#kernel .tap")[0]
    ActionChains(opened).scroll_to_element(tap).drag_and_drop_by_offset(tap, 0, -40).perform()
    assert tap.get_attribute("aria-valuenow") == "2"  # forty pixels up are 1 more
    tap.send_keys(Keys.ARROW_DOWN)
    assert tap.get_attribute("aria-valuenow") == "1.9"
    assert "weights=own" in opened.current_url
    slider = opened.find_element(By.ID, "k")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert opened.execute_script("return state.k") == 4
    opened.find_element(By.CSS_SELECTOR, "[data-axes='1']").click()
    assert opened.execute_script("return currentLayer().axes[0] === ALONE")
    for button in range(len(opened.find_elements(By.CSS_SELECTOR, "#examples button"))):
        opened.find_elements(By.CSS_SELECTOR, "#examples button")[button].click()
    assert "88.9 % of the output" in opened.find_element(By.ID, "verdict").text
    assert opened.execute_script("return performance.getEntriesByType('resource').map(r => r.name)") == []
    assert [line for line in opened.get_log("browser") if line["level"] == "SEVERE"] == []


def test_a_picture_of_ones_own(opened: Any, tmp_path: Path) -> None:
    from matplotlib.image import imsave

    random = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    imsave(tmp_path / "own.png", random)
    (tmp_path / "none.png").write_text("no picture")
    opened.find_element(By.ID, "file").send_keys(str(tmp_path / "own.png"))
    note = opened.find_element(By.ID, "picture-note")
    for _ in range(50):
        if "60 \u00d7 40 pixels become 119 \u00d7 79" in note.text:
            break
        opened.execute_async_script("setTimeout(arguments[0], 50)")
    assert "60 \u00d7 40 pixels become 119 \u00d7 79" in note.text
    seen = opened.execute_script("return picture.channels.map(c => [...c])")
    assert np.array_equal(np.array(seen).T.reshape(40, 60, 3), random)
    opened.find_element(By.ID, "file").send_keys(str(tmp_path / "none.png"))
    opened.execute_async_script("setTimeout(arguments[0], 300)")
    assert "none.png is no picture that this browser can read" in note.text


@pytest.mark.parametrize("width", [360, 1300])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_screen_is_too_narrow_and_the_dark_is_dark(opened: Any, width: int, scheme: str) -> None:
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500})  # fmt: skip
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    for setting in ("dims: 2, k: 9, s: 4, d: 5", "dims: 1, k: 9, s: 4, d: 5"):
        opened.execute_script(f"Object.assign(state, {{{setting}, fit: true}}); draw()")
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    ground = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (scheme == "dark")


def test_a_link_of_anyones_is_only_numbers(opened: Any) -> None:
    hostile = (
        "#k=999&s=-3&d=abc&p=1e9&o=99&weights=<img src=x onerror=document.title='owned'>&own=<b>&framework=x&dims=7"
    )
    opened.get("about:blank")
    opened.get(DOCS.as_uri() + hostile)
    assert opened.title == "What a transposed convolution does"
    found = opened.execute_script("const {k, s, d} = state; return [k, s, d, state.weights]")
    assert found == [9, 1, 1, "equal"]


def test_the_page_in_docs_is_the_one_that_is_written() -> None:
    assert DOCS.read_text(encoding="utf-8") == page(), "python -m upsample explore --output docs/explore.html"


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    main(["explore", "--output", str(tmp_path / "new/page.html")])
    assert (tmp_path / "new/page.html").read_text(encoding="utf-8") == page()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "page.html"]
