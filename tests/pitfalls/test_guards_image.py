"""Borders that give the label away: heard where planted, silent elsewhere."""

import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.guards_image import border_features, border_probe


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestBorderProbe:
    def pictures(self, n: int, seed: int) -> np.ndarray:
        images = generator(seed).integers(0, 12, (n, 64, 48), dtype=np.uint8)
        images[:, 16:48, 12:36] += 100
        return images

    def judge(self, images, label, patient_ids=None, seed=0, **options):
        ids = np.arange(len(label)).astype(str) if patient_ids is None else patient_ids
        return border_probe(images, label, ids, generator(seed), **options)

    def test_border_features_by_hand(self):
        image = np.zeros((1, 32, 16), dtype=np.uint8)  # a border of 2, tiles of 2 x 2
        image[0, 0, 1], image[0, 30, 15] = 8, 40
        features = border_features(image)[0]
        assert features[:9].tolist() == [2, *[0] * 7, 8]  # means of the top, then maxima
        assert sorted(features[features > 0].tolist()) == [2, 8, 10, 40]
        image[0, 2:30, 2:14] = 255  # the middle does not count
        assert border_features(image)[0].tolist() == features.tolist()

    @pytest.mark.parametrize("seed", range(3))
    def test_silent_without_a_marker(self, seed):
        images = self.pictures(300, seed)
        label = np.arange(300) % 3 == 0
        images[label, 20:30, 20:30] += 50  # a cancer, where it belongs
        assert not self.judge(images, label, seed=seed).fired

    def test_finds_a_marker_in_the_corner(self):
        images = self.pictures(300, 4)
        label = np.arange(300) % 3 == 0
        marked = label & (generator(4).random(300) < 0.7)
        images[marked, 1:4, -4:-1] = 255
        verdict = self.judge(images, label)
        assert verdict.fired
        assert verdict.statistic == pytest.approx(0.85, abs=0.05)  # (1 + .7) / 2

    def test_patients_with_their_own_border_do_not_fire_it(self):
        # Ten images a woman, each woman with a border of her own: folds keep women whole.
        patient = np.repeat(np.arange(40), 10)
        images = self.pictures(400, 5)
        images[:, :6] += generator(5).integers(0, 200, (40, 6, 48), dtype=np.uint8)[patient]
        verdict = self.judge(images, patient < 14, patient.astype(str))
        assert not verdict.fired

    @pytest.mark.parametrize("n_images_with_cancer", [2, 6])
    def test_finds_a_marker_where_women_with_cancer_have_more_images(self, n_images_with_cancer):
        with_cancer = np.arange(80) < 24
        n_images = np.where(with_cancer, n_images_with_cancer, 4)
        patient = np.repeat(np.arange(80), n_images)
        images = self.pictures(len(patient), 6)
        label = with_cancer[patient]
        images[label, 1:4, -4:-1] = 255
        verdict = self.judge(images, label, patient.astype(str))
        assert verdict.fired
        assert verdict.statistic > 0.95

    def test_refusals(self):
        label = np.arange(40) % 2 == 0
        with pytest.raises(InputError, match="uint8"):
            self.judge(np.zeros((40, 32, 32)), label)
        with pytest.raises(InputError, match="no positive row"):
            self.judge(self.pictures(40, 0), np.zeros(40, dtype=bool))
        with pytest.raises(InputError, match="40"):
            self.judge(self.pictures(30, 0), label)
        with pytest.raises(InputError, match="folds"):
            self.judge(self.pictures(40, 0), label, np.repeat(["a", "b"], 20))
