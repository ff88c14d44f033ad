import pytest

from study.comparison import scores


@pytest.mark.parametrize(
    ("key", "way"),
    [
        ("test/miou", scores.HIGHER),
        ("test/iou/lake", scores.HIGHER),
        ("test/ssim_y", scores.HIGHER),
        ("test/checkerboard/phase_variance/p2", scores.LOWER),
        ("test/final/frechet_effnet_lite0", scores.LOWER),
        ("test/kid_effnet_lite0", scores.LOWER),
        ("macs", scores.LOWER),
        ("test/never_heard_of", 0),
    ],
)
def test_directions(key: str, way: int) -> None:
    assert scores.direction(key) == way


def test_scores_are_of_the_test_without_floors_baselines_and_words() -> None:
    assert scores.is_score("test/miou", 0.5)
    assert scores.is_score("test/iou/lake", None)
    assert scores.is_score("seconds_per_step", 0.1)
    for key, value in {"test/x/null": 1.0, "baseline/miou": 0.5, "precision": "32-true", "seed": 1}.items():
        assert not scores.is_score(key, value)


def test_the_main_score_is_the_first_that_there_is() -> None:
    assert scores.first(scores.MAIN, ["test/spectrum_gap", "test/final/fid", "test/frechet_effnet_lite0"]) == (
        "test/frechet_effnet_lite0"
    )
    assert scores.first(scores.MAIN, ["parameters"]) is None


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (0.79612, 0.01234, "0.796 ± 0.012"),
        (26.94, 1.04, "26.9 ± 1.0"),
        (26.94, None, "26.94"),
        (4_099_276_800, 0.0, "4.099 G ± 0"),
        (24_867, None, "24.87 k"),
        (0.0092, 1e-9, "0.0092 ± 1.0e-09"),
        (1234.5, 120.0, "1234 ± 120"),
    ],
)
def test_written(mean: float, deviation: float | None, text: str) -> None:
    assert scores.written(mean, deviation) == text
