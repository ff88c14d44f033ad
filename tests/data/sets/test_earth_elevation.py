"""Heights read off a picture's colours, against those of towns and plains that an atlas has."""

import numpy as np
import pytest
import torch

import data
from data.sets.earth import world
from data.sets.earth_elevation import elevated

OPTIONS = {"name": "earth_elevation", "crop": 128, "step": 128, "test_crop": 320, "batch_size": 4, "augment": {}}
# Name, metres above the sea, latitude, longitude; none was left out for its error.
PLACES = [
    ("Denver", 1609, 39.74, -104.99), ("Lhasa", 3650, 29.65, 91.1), ("Addis", 2355, 9.03, 38.74),
    ("Mexico", 2240, 19.43, -99.13), ("Nairobi", 1795, -1.29, 36.82), ("Johannesburg", 1753, -26.2, 28.05),
    ("Tehran", 1189, 35.7, 51.4), ("Madrid", 657, 40.4, -3.7), ("Moscow", 156, 55.75, 37.6),
    ("Kinshasa", 280, -4.3, 15.3), ("Manaus", 92, -3.1, -60), ("Brasilia", 1172, -15.8, -47.9),
    ("Kunming", 1892, 25.04, 102.7), ("Ulaanbaatar", 1350, 47.9, 106.9), ("Alice", 545, -23.7, 133.9),
    ("Paris", 35, 48.86, 2.35), ("Chicago", 180, 41.8, -87.9), ("Calgary", 1045, 51.05, -114.07),
    ("Bangalore", 920, 12.97, 77.6), ("Delhi", 216, 28.6, 77.2), ("Lanzhou", 1520, 36.06, 103.8),
    ("Tibet", 5000, 33, 87), ("Winnipeg", 239, 49.9, -97.1), ("Novosibirsk", 150, 55, 82.9),
    ("Niamey", 207, 13.5, 2.1), ("Bamako", 350, 12.6, -8), ("Ndjamena", 298, 12.1, 15.05),
    ("Windhoek", 1655, -22.56, 17.08), ("Cuiaba", 165, -15.6, -56.1), ("Potosi", 4000, -19.6, -65.7),
    ("Yellowstone", 2400, 44.5, -110.5), ("Bogota", 2600, 4.8, -74.1), ("Quito", 2850, -0.2, -78.5),
    ("Cusco", 3400, -13.5, -72), ("Sanaa", 2250, 15.35, 44.2), ("Asmara", 2325, 15.33, 38.93),
    ("Kabul", 1790, 34.5, 69.2), ("Xining", 2275, 36.6, 101.8), ("Golmud", 2810, 36.4, 94.9),
    ("ElAlto", 4050, -16.7, -68.3), ("Albuquerque", 1620, 35.1, -106.7), ("Salt Lake", 1290, 40.7, -112),
    ("Harare", 1490, -17.8, 31.05), ("Lusaka", 1280, -15.4, 28.3), ("Pretoria", 1340, -25.7, 28.2),
    ("Bloemfontein", 1395, -29.1, 26.2), ("Gobi", 1000, 43.5, 109), ("Leadville", 3100, 39.25, -106.3),
    ("Cheyenne", 1850, 41.1, -104.8), ("Amarillo", 1100, 35.2, -101.8), ("Wichita", 400, 37.7, -97.3),
    ("Saskatoon", 480, 52.1, -106.7), ("Edmonton", 650, 53.5, -113.5), ("Budapest", 100, 47.3, 19.5),
    ("Munich", 520, 48.2, 11.6), ("Ankara", 890, 39.9, 32.8), ("Urumqi", 800, 44, 87.6), ("Kashgar", 1290, 39.4, 76),
    ("Tarim", 1000, 39, 82.5), ("Riyadh", 610, 24.7, 46.7), ("Khartoum", 380, 15.5, 32.5), ("Agadez", 520, 17, 8),
    ("Asuncion", 100, -25.3, -57.6), ("Goiania", 750, -16.7, -49.2), ("Curitiba", 930, -25.4, -49.3),
    ("Mandalay", 80, 21.9, 96.1), ("Hyderabad", 540, 17.4, 78.5), ("Nagpur", 310, 21.1, 79.1),
    ("Yakutsk", 100, 62, 129.7), ("Irkutsk", 450, 52.5, 104), ("Chihuahua", 1430, 28.7, -106),
    ("Torreon", 1130, 25.5, -103.4), ("Luanda plateau Huambo", 1700, -12.8, 15.7), ("Kampala", 1190, 0.4, 32.5),
    ("Tabora", 1200, -5, 32.8), ("Lubumbashi", 1230, -11.6, 27.5), ("Tibet Nagqu", 4500, 31.5, 92),
    ("Changtang", 4900, 34, 88),
]  # fmt: skip


def at(latitude: float, longitude: float) -> np.ndarray:
    row, column = int((90 - latitude) * 15), int((longitude + 180) * 15)
    return elevated()[1][row - 2 : row + 3, column - 2 : column + 3]


def test_heights_are_those_of_an_atlas() -> None:
    found = np.array([np.nanmedian(at(latitude, longitude)) for _, _, latitude, longitude in PLACES])
    true = np.array([height for _, height, *_ in PLACES])
    error = np.abs(found - true)
    assert np.median(error) < 70  # metres
    assert np.median(error[true < 1500]) < 60
    assert np.corrcoef(found, true)[0, 1] > 0.88
    assert (error > 500).sum() <= 10  # valleys between ranges, of one colour with a plateau


@pytest.mark.parametrize(
    ("name", "latitude", "longitude"),
    [("Atlantic", 0, -30), ("Antarctica", -80, 60), ("Greenland", 75, -40), ("Victoria", -1, 33)],
)
def test_there_is_no_height_in_the_sea_in_lakes_and_on_ice(name: str, latitude: float, longitude: float) -> None:
    assert np.isnan(at(latitude, longitude)).all()


def test_what_is_known_is_most_of_the_land_that_is_no_ice() -> None:
    land = world()[1][450:2250] == 1  # 60 degrees north to south
    assert np.isnan(elevated()[1][450:2250][land]).mean() < 0.2
    known = elevated()[1][np.isfinite(elevated()[1])]
    assert 0 <= known.min() < 20
    assert 5000 < known.max() <= 5040


def test_samples_hold_heights_of_their_place_and_the_mean_is_that_of_training() -> None:
    loaded = data.load(OPTIONS, "images_with_values", seed=0)
    sample = loaded.train[3]
    assert sample["image"].shape == (3, 128, 128)
    assert sample["target"].dtype == torch.float32
    top, left = map(int, sample["name"].split("-")[1:])
    assert np.array_equal(sample["target"].numpy(), elevated()[1][top : top + 128, left : left + 128], equal_nan=True)
    every = np.concatenate([loaded.train[i]["target"].numpy().ravel() for i in range(len(loaded.train))])
    every = every[np.isfinite(every)].astype(np.float64)
    values = loaded.info.values
    assert (values.mean, values.std) == pytest.approx((every.mean(), every.std()), rel=1e-6)
    assert values.low == pytest.approx(np.quantile(every, 0.01), abs=20)
    assert values.high == pytest.approx(np.quantile(every, 0.99), rel=0.05)
