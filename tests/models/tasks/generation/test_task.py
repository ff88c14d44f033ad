"""The GAN task on a tiny DCGAN and two dozen images: what is averaged, counted, resumed and scored."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import upsample
from data.loading.augment import Augment
from data.loading.datamodule import DataModule
from data.loading.loaded import ClassedImages, Images, Loaded
from models.networks.dcgan import DCGAN
from models.networks.sngan import SNGAN
from models.tasks.cause import attribution
from models.tasks.generation import feature_networks
from models.tasks.generation.generate import TEST, TRAINING, generate, random
from models.tasks.generation.losses import LOSSES, gradient_penalty, r1
from models.tasks.generation.task import GAN
from models.tasks.input_gradient import discriminator_checkerboards
from models.training.trainer import build_trainer, fit
from plumbing.options import check_options

OPTIONS: dict[str, Any] = {
    "loss": "bce",
    "d_steps": 1,
    "gradient_penalty": 10.0,
    "r1": 0.0,
    "lr": 2e-3,
    "betas": [0.5, 0.999],
    "ema_decay": 0.5,
    "samples_every": 2,
    "score_images": 24,
    "val_images": 10,
    "gradient_checkerboard": False,
    "seed": 0,
}
INFO = Images("noise", (0.5,), (0.3,))
CLASSED = ClassedImages("noise", (0.5,), (0.3,), ["a", "b", "c"])


class Noise:
    """`count` grey images of 32 pixels, of three classes."""

    def __init__(self, count: int, seed: int, size: int = 32) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8, generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "class": index % 3, "name": "noise"}


@pytest.fixture(autouse=True)
def tiny_feature_network(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.AvgPool2d(16), nn.Flatten())

    class Pool(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return network(images.float())

    monkeypatch.setattr(feature_networks, "find", lambda: (Pool(), "frechet_pool", "kid_pool"))


def noise(size: int = 32) -> DataModule:
    splits = Noise(16, 0, size), Noise(12, 1, size), Noise(20, 2, size)
    return DataModule(Loaded(INFO, *splits, augment=Augment({}, size), batch_size=4, seed=0))


def gan(**options: Any) -> GAN:
    torch.manual_seed(0)
    batch_norm = options.get("loss") != "wgan_gp" and not options.get("r1")
    classes = options.pop("classes", None)
    network = DCGAN(1, partial(upsample.build, "deconv"), 32, latent=5, width=4, batch_norm=batch_norm, classes=classes)
    return GAN(network, INFO if classes is None else CLASSED, **(OPTIONS | options))


def trainer(task: GAN, folder: Path, **options: Any) -> pl.Trainer:
    return build_trainer({"accelerator": "cpu", "precision": "32-true", **options}, folder, task)


def state(task: GAN) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in task.state_dict().items()}


def test_the_average_is_the_exponential_one_in_closed_form() -> None:
    task = gan(ema_decay=0.8)
    started = state(task)
    visited = []
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        with torch.no_grad():
            for tensor in (*task.learner.parameters(), *task.learner.buffers()):
                if tensor.is_floating_point():
                    tensor.copy_(torch.randn(tensor.shape, generator=generator))
        visited.append(state(task))
        task.follow()
    for key, value in task.network.generator.state_dict().items():
        if value.is_floating_point():
            expected = 0.8**5 * started[f"network.generator.{key}"]
            expected += sum(0.2 * 0.8 ** (4 - i) * each[f"learner.{key}"] for i, each in enumerate(visited))
            assert torch.allclose(value, expected, atol=1e-6), key


@pytest.mark.parametrize("d_steps", [1, 2])
def test_max_steps_counts_steps_of_the_generator(tmp_path: Path, d_steps: int) -> None:
    task = gan(d_steps=d_steps)
    running = trainer(task, tmp_path, max_steps=6, max_epochs=-1)
    fit(running, task, noise(), tmp_path)
    assert running.global_step == 6
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    taken = [{int(p["step"]) for p in each["state"].values()} for each in checkpoint["optimizer_states"]]
    assert taken == [{6}, {6 * d_steps}]
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["000002.png", "000004.png", "000006.png"]


@pytest.mark.parametrize("d_steps", [1, 2])
def test_reused_fakes_train_as_the_loop_of_the_tutorial_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, d_steps: int
) -> None:
    def descent(task: GAN) -> list[torch.optim.Optimizer]:  # Adam would make rounding as large as gradients
        parts = (task.learner, task.network.discriminator)
        return [torch.optim.SGD(part.parameters(), 0.1, fused=True) for part in parts]

    monkeypatch.setattr(GAN, "configure_optimizers", descent)
    task, other, data = gan(reuse_fakes=True, d_steps=d_steps), gan(), noise()
    batches = [batch["image"].float() / 127.5 - 1 for batch in data.train_dataloader()]
    fit(trainer(task, tmp_path, max_epochs=1), task, data, tmp_path)

    def entropy(images: Tensor, label: float) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(discriminator(images), torch.full([len(images)], label))

    generator, discriminator = other.learner, other.network.discriminator
    steps = descent(other)
    for step, batch in enumerate(batches):
        numbers = random(0, TRAINING, step)
        for real in batch.chunk(d_steps):
            fake = generator(torch.randn(len(real), 5, generator=numbers))
            discriminator.zero_grad()
            (entropy(real, 1.0) + entropy(fake.detach(), 0.0)).backward()
            steps[1].step()
        generator.zero_grad()
        entropy(fake, 1.0).backward()
        steps[0].step()
    for part in ("learner", "network.discriminator"):
        expected, found = (each.get_submodule(part).state_dict() for each in (other, task))
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, msg=f"{part}.{key}", rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("reuse", "passes"), [(False, 3), (True, 2)])
def test_reused_fakes_spare_the_generator_a_pass(tmp_path: Path, reuse: bool, passes: int) -> None:
    task = gan(reuse_fakes=reuse, d_steps=2)
    made: list[int] = []
    task.learner.register_forward_hook(lambda *_: made.append(1))
    fit(trainer(task, tmp_path, max_steps=2, max_epochs=-1, limit_val_batches=0), task, noise(), tmp_path)
    assert len(made) == 2 * passes


@pytest.mark.parametrize("reuse", [False, True])
def test_a_run_resumed_at_the_end_of_an_epoch_ends_with_the_same_weights(tmp_path: Path, reuse: bool) -> None:
    whole = gan(reuse_fakes=reuse)
    fit(trainer(whole, tmp_path / "whole", max_epochs=2), whole, noise(), tmp_path / "whole")
    first = gan(reuse_fakes=reuse)
    fit(trainer(first, tmp_path / "parts", max_epochs=1), first, noise(), tmp_path / "parts")
    torch.manual_seed(99)  # whatever else was drawn meanwhile
    second = gan(reuse_fakes=reuse)
    fit(trainer(second, tmp_path / "parts", max_epochs=2), second, noise(), tmp_path / "parts")
    assert any(not torch.equal(first.state_dict()[key], value) for key, value in whole.state_dict().items())
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


def test_best_and_final_are_scored_and_differ(tmp_path: Path) -> None:
    data, task = noise(), gan(lr=2e-2)
    running = trainer(task, tmp_path, max_epochs=3)
    fit(running, task, data, tmp_path)
    final = {key: value.clone() for key, value in task.network.generator.state_dict().items()}
    # The first weights stand for the best ones here, so that the two must differ.
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.save(last | {"state_dict": gan().state_dict()}, tmp_path / "best.ckpt")
    running.test(task, data, ckpt_path=tmp_path / "best.ckpt", weights_only=True, verbose=False)
    results, seen = task.results(data), task.examination
    assert results["real_images"] == 20
    assert results["generated_images"] == 24
    scored = {"spectrum_gap", "frechet_pool", "kid_pool"}
    measured = {"checkerboard/phase_variance/p2", "checkerboard/spectral_peak_db/p2"}
    fields = {
        f"checkerboard_field/{m}{at}" for m in ("phase_variance", "spectral_peak_db") for at in ("", "/p4", "/p2")
    }
    expected = {f"test/{key}" for key in scored | measured | fields}
    expected |= {f"test/final/{key}" for key in scored | measured | fields} | {f"real/{k}" for k in scored | measured}
    grid = {key for key in results if "/grid/" in key}
    said = {"test/pattern", "test/final/pattern"}
    found = {key for key in results if not key.endswith("/null")} - grid
    assert found == expected | said | {"real_images", "generated_images"}
    assert {"test/grid/fixed", "test/final/grid/fixed"} <= grid
    assert all(np.isfinite(value) for key, value in results.items() if key not in said)
    assert results["test/spectrum_gap"] != results["test/final/spectrum_gap"]
    assert torch.equal(seen.shown["test"], generate(gan().network.generator, seen.latents(TEST, 24)))
    example = task.example_arrays()
    assert {key: each.dtype for key, each in example.items()} == {
        **{"real": "u1", "output": "u1", "spectrum": "f4"},
        **{"patch": "f4", "grid": "f4"},
    }
    assert len(example["spectrum"]) == task.network.size // 2
    ended = gan()
    ended.network.generator.load_state_dict(final)
    assert torch.equal(seen.shown["test/final"], generate(ended.network.generator, seen.latents(TEST, 24)))
    task.report(tmp_path / "report.png", "title")
    assert (tmp_path / "report.png").stat().st_size > 20_000


def test_the_discriminator_loss_is_put_together_from_its_parts(tmp_path: Path) -> None:
    real = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for options in ({"loss": "bce", "r1": 3.0}, {"loss": "wgan_gp", "gradient_penalty": 7.0}, {"loss": "hinge"}):
        task, other = gan(**options), gan(**options)
        task.trainer = trainer(task, tmp_path)  # which knows how many processes share what is drawn
        numbers = random(0, TRAINING, 5)
        value = task.critic_loss(real, task.made(4, None, numbers).detach(), None, numbers)
        numbers = random(0, TRAINING, 5)
        fake = other.learner(torch.randn(4, 5, generator=numbers)).detach()
        discriminator = other.network.discriminator
        expected = LOSSES[options["loss"]][0](discriminator(real), discriminator(fake))
        if options["loss"] == "wgan_gp":
            share = torch.rand(4, 1, 1, 1, generator=numbers)
            expected = expected + 7 * gradient_penalty(discriminator, real, fake, share)
        if "r1" in options:
            expected = expected + 3 * r1(discriminator, real)
        assert value.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"loss": "hinge"}, {"loss": "wgan_gp", "d_steps": 2}, {"r1": 1.0}, {"loss": "wgan_gp", "classes": 3}],
)
def test_both_networks_learn(tmp_path: Path, options: dict[str, Any]) -> None:
    task = gan(**options)
    before = state(task)
    fit(trainer(task, tmp_path, max_steps=1, max_epochs=-1), task, noise(), tmp_path)
    for part in ("learner", "network.discriminator", "network.generator"):
        weights = [key for key in before if key.startswith(part) and key.endswith("weight")]
        assert all(not torch.equal(before[key], task.state_dict()[key]) for key in weights), part


def test_images_are_rounded_as_files_are() -> None:
    task = gan()
    latents = task.latents(3, random(0, TEST))
    images = generate(task.network.generator, latents)
    with torch.no_grad():
        floating = task.eval()(latents)
    assert images.dtype == torch.uint8
    assert (images.float() / 255 - floating).abs().max() <= 0.5 / 255 + 1e-6


def test_random_numbers_depend_on_seed_purpose_and_step_alone() -> None:
    drawn = [gan().latents(3, random(*each)) for each in ((0, 1, 0), (0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1))]
    assert torch.equal(drawn[0], drawn[1])
    assert all(not torch.equal(drawn[0], each) for each in drawn[2:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "bec"}, "task.loss is 'bec'.*choose from bce, hinge, wgan_gp"),
        ({"d_steps": 0}, "task.d_steps must be a whole number of at least 1"),
        ({"ema_decay": 1.0}, "task.ema_decay must be a number from 0 to 1, 1 excluded"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_options("task", GAN, OPTIONS | options, given=("network", "info"))


@pytest.mark.parametrize("penalty", [{"loss": "wgan_gp"}, {"r1": 1.0}])
def test_a_gradient_penalty_and_batch_norm_are_refused_together(penalty: dict[str, Any]) -> None:
    network = DCGAN(1, partial(upsample.build, "deconv"), width=4)
    with pytest.raises(ValueError, match=r"set model\.batch_norm=false"):
        GAN(network, INFO, **(OPTIONS | penalty))


def test_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    task = gan()
    with pytest.raises(ValueError, match=r"model\.size is 32, but images of noise are 64 pixels a side"):
        fit(trainer(task, tmp_path, max_steps=1), task, noise(64), tmp_path)
    task = gan(d_steps=3)
    with pytest.raises(ValueError, match=r"task.batch_size=4 is shared out to task.d_steps=3 steps"):
        fit(trainer(task, tmp_path, max_steps=1), task, noise(), tmp_path)


def test_the_discriminators_gradient_is_measured_on_the_real_test_images_if_asked(tmp_path: Path) -> None:
    data, task = noise(), gan(gradient_checkerboard=True)
    trainer(task, tmp_path).test(task, data, verbose=False)
    results = task.results(data)
    measured = {key: value for key, value in results.items() if "gradient" in key}
    images = torch.stack([data.test[i]["image"] for i in range(20)])
    expected = discriminator_checkerboards(task.network.discriminator.eval(), images)
    assert measured == {f"test/gradient_{key}": pytest.approx(value, rel=1e-4) for key, value in expected.items()}
    assert {"test/gradient_checkerboard/phase_variance/p2", "test/gradient_checkerboard_field/phase_variance"} <= set(
        measured
    )


def test_each_step_of_the_discriminator_sees_as_many_generated_images_of_a_class_as_real_ones(tmp_path: Path) -> None:
    task = gan(classes=3, d_steps=2)
    seen: list[list[int]] = []
    made: list[list[int]] = []
    task.network.discriminator.register_forward_pre_hook(
        lambda _, inputs, named: seen.append(named["label"].argmax(1).tolist()), with_kwargs=True
    )
    task.learner.register_forward_pre_hook(lambda _, inputs: made.append(inputs[0][:, 5:].argmax(1).tolist()))
    running, data = trainer(task, tmp_path, max_steps=1, max_epochs=-1, limit_val_batches=0), noise()
    running.fit(task, data)
    batch = next(iter(noise().train_dataloader()))["class"].tolist()
    first, second = batch[:2], batch[2:]
    assert seen == [first, first, second, second, second]  # real and generated, twice; and the generator's step
    assert made == [first, second, second]


def test_a_generator_of_classes_is_scored_on_as_many_of_each_as_there_are(tmp_path: Path) -> None:
    data, task = noise(), gan(classes=3, gradient_checkerboard=True)
    trainer(task, tmp_path).test(task, data, verbose=False)
    results, seen = task.results(data), task.examination
    classes = [i % 3 for i in range(20)]
    assert seen.asked["real"].tolist() == classes
    assert seen.asked["test"].tolist() == (classes * 2)[:24]
    latents, asked = seen.latents(TEST, 24), seen.asked["test"]
    assert torch.equal(seen.shown["test"], generate(task.network.generator, latents, asked))
    rows = seen.rows()
    assert rows is not None
    assert rows["real"].tolist() == [[0, 3, 6, 9, 12, 15], [1, 4, 7, 10, 13, 16], [2, 5, 8, 11, 14, 17]]
    task.report(tmp_path / "report.png", "title")
    images = torch.stack([data.test[i]["image"] for i in range(20)])
    labels = torch.eye(3)[classes]
    expected = discriminator_checkerboards(task.network.discriminator.eval(), images, labels)
    measured = {key: value for key, value in results.items() if "gradient" in key}
    assert measured == {f"test/gradient_{key}": pytest.approx(value, rel=1e-4) for key, value in expected.items()}
    assert task.notes() == ["Images are asked for by class: a, b, c"]
    unasked = GAN(DCGAN(1, partial(upsample.build, "deconv"), width=4), CLASSED, **OPTIONS)
    assert unasked.notes() == ["The 3 classes of the images are not used; model.classes=auto asks for them"]


def test_layers_of_a_residual_generator_of_classes_are_told_apart() -> None:
    torch.manual_seed(0)
    network = SNGAN(1, partial(upsample.build, "deconv", balanced=False), latent=5, width=8, classes=3)
    task = GAN(network, CLASSED, **OPTIONS)
    with torch.no_grad():
        network.upsamplers()[-1].get_parameter("conv.weight")[:, :, ::2, ::2] *= 4  # so that the last layer prints
    found = attribution(task, noise().test)
    assert {part.name for part in found.layers} == {f"blocks.{i}.enlarge.conv" for i in range(3)}
    assert found.sources[0].name == "blocks.2.enlarge.conv"
    assert found.sources[0].period == 2
