import pytest
from torch import nn

from models.networks.interfaces import layers
from models.training.parameter_groups import parameter_groups


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.levels = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))])


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = Encoder(), nn.Conv2d(4, 2, 1)


class Task(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = Net()


def settings(task: nn.Module, **options: float) -> dict[str, tuple[float, float]]:
    """(learning rate, decay) of every parameter by name."""
    groups = parameter_groups(task, **options)
    of = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    return {name: of[id(p)] for name, p in task.named_parameters()}


def test_weights_decay_and_norms_and_biases_do_not() -> None:
    found = settings(Task(), lr=0.1, weight_decay=0.01, layer_decay=1.0)
    assert found["network.head.weight"] == (0.1, 0.01)
    assert found["network.head.bias"] == (0.1, 0)
    assert found["network.encoder.levels.1.1.weight"] == (0.1, 0)
    assert set(found) == {name for name, _ in Task().named_parameters()}


def test_layers_near_the_image_learn_slower() -> None:
    task = Task()
    assert len(layers(task.network.encoder)) == 3
    found = settings(task, lr=0.1, weight_decay=0.0, layer_decay=0.5)
    assert found["network.head.weight"][0] == 0.1
    assert found["network.encoder.levels.1.0.weight"][0] == pytest.approx(0.05)
    assert found["network.encoder.levels.0.weight"][0] == pytest.approx(0.025)
    assert found["network.encoder.stem.bias"][0] == pytest.approx(0.0125)


def test_frozen_parameters_are_left_out() -> None:
    task = Task()
    task.network.encoder.requires_grad_(False)
    groups = parameter_groups(task, lr=0.1, weight_decay=0.0, layer_decay=1.0)
    assert sum(len(g["params"]) for g in groups) == 2


def test_a_wrapped_backbone_has_the_layers_of_what_it_wraps() -> None:
    wrapped = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Sequential(nn.Conv2d(4, 4, 1))))
    assert layers(wrapped) == [wrapped[0][0], wrapped[0][2][0]]
