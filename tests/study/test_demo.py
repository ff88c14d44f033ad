"""The page of predict.py --serve, in a browser, and what else might ask it."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import models
from models.tasks.showing import Showing
from models.trained.saved import Saved, Trained
from study.demo.server import HOST, server

MODELS = {
    "segmentation": {"name": "unet"},
    "regression": {"name": "unet"},
    "super_resolution": {"name": "espcn", "scale": 2},
    "gan": {"name": "dcgan", "size": 32, "latent": 8, "width": 8, "classes": "auto"},
}


@contextmanager
def serving(net: Trained) -> Iterator[tuple[str, int]]:
    """A server of a network in a thread: its host and port."""
    with server(Showing(net), "a network", 0) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield HOST, found.server_port
        found.shutdown()
        thread.join()


def photo(path: Path, side: int) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("task", MODELS)
def test_an_image_or_a_seed_brings_result_pattern_and_repair(
    task: str, trained: Callable[..., Trained], browser: Any, tmp_path: Path
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    net = trained({"name": "deconv", "balanced": False}, MODELS[task])
    if task == "regression":
        values = {"unit": "m", "mean": 3.0, "std": 2.0, "low": 0.0, "high": 9.0}
        config = net.config | {"task": {"name": task}, "values": values}
        net = Trained(Saved(config, models.build(config, 3, 1).state_dict()))
    with serving(net) as (host, port):
        browser.get_log("browser")  # read away: what pages of other tests said
        browser.get(f"http://{host}:{port}/")
        if task == "gan":
            browser.find_element(By.CSS_SELECTOR, "button").click()
        else:
            browser.find_element(By.ID, "file").send_keys(str(photo(tmp_path / "ä photo.png", 112)))
        WebDriverWait(browser, 60).until(lambda b: "Working" not in b.find_element(By.ID, "state").text)
        assert browser.find_element(By.ID, "state").text == ""
        titles = [each.text for each in browser.find_elements(By.TAG_NAME, "figcaption")]
        assert titles == [*([] if task == "gan" else ["the image"]), "as trained", "repaired"]
        sizes = browser.execute_script("return [...document.images].map(each => each.naturalWidth)")
        assert len(sizes) == len(titles) + 1
        assert all(sizes)
        sentences = browser.find_element(By.ID, "sentences").text
        assert all(f"{title}: " in sentences for title in ("as trained", "repaired"))
        hosts = browser.execute_script(
            "return performance.getEntriesByType('resource').map(each => new URL(each.name).host || 'data')"
        )
        assert set(hosts) <= {f"{host}:{port}", "data"}
        assert not [
            each for each in browser.get_log("browser") if each["level"] == "SEVERE" and "favicon" not in str(each)
        ]


def asked(where: tuple[str, int], address: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(*where, timeout=60)
    connection.request("POST", address, body, headers)
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read())


def test_what_is_no_image_and_who_is_not_the_page_is_refused(trained: Callable[..., Trained], tmp_path: Path) -> None:
    body = photo(tmp_path / "photo.png", 16).read_bytes()
    with serving(trained({"name": "deconv"})) as where:
        assert asked(where, "/image", b"hello") == (
            400,
            {"error": "the image is no image, whatever its name says; save it as PNG or remove it"},
        )
        status, small = asked(where, "/image", body)
        assert (status, small["patches"]) == (200, None)
        assert all(told.startswith("not measured: needs") for told in small["sentences"].values())
        assert asked(where, "/image", body, Host=f"elsewhere.example:{where[1]}")[0] == 404
        assert asked(where, "/image", body, Origin="https://elsewhere.example")[0] == 404
        assert asked(where, "/image", b"", **{"Content-Length": str(2**40)})[0] == 413
        assert asked(where, "/seed", b"0")[0] == 400
