"""The physics card of models whose faults are known: a decoder that paints galaxies, and broken ones.

Galaxies are drawn from six parameters, which are their codes; so a perfect model is at hand, whose samples are as real
as other galaxies once they have noise.
"""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from scipy.ndimage import gaussian_filter

from galvae.analysis import galaxy_sets, physics_card
from galvae.data.catalogue import plain_table, write_table
from galvae.data.dataset import GalaxyDataset
from galvae.errors import GalvaeError
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.morphology.measures import compared_names

SIDE, TRAIN, HELD_OUT = 32, 200, 150
CONFIG = SimpleNamespace(samples=2000, bootstrap=100, seed=0, prior=None)
BANDS = ["g", "r", "z"]
COLOURS = ["colour_g_r", "colour_r_z"]


def paint(codes):
    """Galaxies without noise, (n, SIDE, SIDE, 3), from standard normal codes: flux, size, two of shape, two colours."""
    flux, size, e1, e2, blue, red = np.asarray(codes, float).T[..., None, None]
    y, x = np.mgrid[:SIDE, :SIDE] - 0.5 * (SIDE - 1)
    radius = 2.2 * np.exp(0.2 * size)
    squared = (x**2 * np.exp(-0.3 * e1) + y**2 * np.exp(0.3 * e1) - 0.3 * e2 * x * y) / radius**2
    galaxy = 0.5 * np.exp(0.5 * flux) * np.exp(-np.sqrt(np.abs(squared) + 0.3)) / radius**2
    ratios = np.stack([np.exp(0.25 * blue), np.ones_like(blue), np.exp(0.25 * red)], axis=-1)
    return (0.1 + galaxy[..., None] * ratios / ratios.mean(axis=-1, keepdims=True)).astype(np.float32)


def dataset(codes, splits, **changes):
    """A GalaxyDataset of painted galaxies with correlated noise."""
    generator = np.random.default_rng(1)
    noise = gaussian_filter(generator.normal(size=(len(codes), SIDE, SIDE, 3)), (0, 0.5, 0.5, 0))
    images = (paint(codes) + 0.0015 * noise / noise.std()).astype(np.float32)
    values = {
        "name": "painted",
        "images": images,
        "pixel_range": (0, 1),
        "band_names": BANDS,
        "splits": splits,
        "content": hashlib.sha256(images.tobytes()).hexdigest(),
    }
    return GalaxyDataset(**{**values, **changes})


def splits(train=TRAIN, held_out=HELD_OUT):
    """Rows of the training, and half of the others each of the validation and the test split, in random order."""
    rows = np.random.default_rng(2).permutation(train + held_out)
    val = train + held_out // 2
    return {"train": rows[:train], "val": rows[train:val], "test": rows[val:]}


@pytest.fixture(scope="module")
def galaxies():
    """Codes of all galaxies, and their dataset."""
    codes = np.random.default_rng(10).normal(size=(TRAIN + HELD_OUT, 6)).astype(np.float32)
    return codes, dataset(codes, splits())


def run_of(codes, data, decode=paint, prior=None, conditional=False):
    """What the card asks of a TrainedRun."""
    prior = prior or GaussianPrior(np.zeros(6), np.eye(6))
    return SimpleNamespace(
        dataset=data,
        model=SimpleNamespace(condition_dim=int(conditional), decode=decode),
        codes_at=lambda rows: SimpleNamespace(mean=codes[rows]),
        condition=lambda rows: data.condition[rows] if conditional else None,
        prior=lambda name=None: prior,
        noise=None,
    )


@pytest.fixture(autouse=True)
def decoded_in_two_batches(monkeypatch):
    def batches(model, codes, condition):
        for part in (slice(0, 40), slice(40, None)):
            images = model.decode(codes[part], *([] if condition is None else [condition[part]]))
            yield np.asarray(images, np.float32)

    monkeypatch.setattr(galaxy_sets, "decoded_batches", batches)


def card(run, config=CONFIG):
    """The card's entry of metrics.json, as it is read again."""
    report = physics_card.measure(run, np.arange(3), config, {})
    return json.loads(json.dumps(report.summary["card"], allow_nan=False))


@pytest.fixture
def unclassified(monkeypatch):
    """Spares the seconds that classifiers take, which test_distances.py tests."""
    areas = {"auc": (0.75, 0.02), "auc_logistic": (0.7, 0.03)}
    monkeypatch.setattr(galaxy_sets, "classification", lambda *_: areas)


def w1(entry, *names):
    return np.array([entry[name]["w1"] for name in names])


def test_a_perfect_model_reaches_the_floor_once_its_images_have_noise(galaxies, unclassified):
    report = physics_card.measure(run_of(*galaxies), np.arange(3), CONFIG, {})
    found = report.summary["card"]
    assert found["reference"] == {"splits": ["val", "test"], "galaxies": HELD_OUT, "of": HELD_OUT}
    for name in ("floor", "decoded", "sampled", "decoded_with_noise", "sampled_with_noise"):
        assert (found[name]["n"], found[name]["measures"], found[name]["empty"]) == (HELD_OUT, 13, 0), name
    floor, decoded, sampled = (found[name] for name in ("floor", "decoded_with_noise", "sampled_with_noise"))
    assert 0.05 < floor["w1"] < 0.25
    assert abs(sampled["w1"] - floor["w1"]) < 3 * np.hypot(sampled["w1_error"], floor["w1_error"])
    # The same galaxies as the real ones: all that differs is their noise.
    assert decoded["w1"] < floor["w1"]
    assert (
        abs(decoded["flux"]["bias"]) < 2 and decoded["flux"]["bias_error"] < 1 < sampled["flux"]["bias_error"]
    )
    assert decoded["sky_sigma"]["bias"] == pytest.approx(0, abs=4)
    for ratio in decoded["power_ratio"].values():
        assert ratio["ratio"] == pytest.approx(1, abs=0.1)
    # Without noise they are no longer like real ones, in what noise makes.
    assert found["decoded"]["sky_sigma"]["bias"] < -90
    assert found["decoded"]["power_ratio"]["0.4"]["ratio"] < 0.7
    assert found["decoded"]["clumpiness"]["w1"] > 1 > decoded["clumpiness"]["w1"]
    for key in ("w1", "w1_error", "auc", "auc_error", "auc_logistic", "empty", "n"):
        assert found[key] == found["sampled"][key]
    assert report.lines[2].startswith("  decoded ") and report.lines[2].endswith("; n = 150 each, no noise")
    assert f"(floor {floor['w1']:.3f} ± {floor['w1_error']:.3f}), AUC 0.750 ± 0.020" in report.lines[5]


def test_numbers_behind_the_card_are_those_of_the_galaxies_that_it_names(galaxies, unclassified, tmp_path):
    codes, data = galaxies
    report = physics_card.measure(
        run_of(codes, data), np.arange(3), SimpleNamespace(**vars(CONFIG) | {"samples": 70}), {}
    )
    arrays, found = report.arrays["card"], report.summary["card"]
    held_out = np.concatenate([data.split("val"), data.split("test")])
    rows = arrays["indices"]
    assert len(np.unique(rows)) == 70 and np.isin(rows, held_out).all()
    assert np.isin(arrays["floor_indices"], data.split("train")).all()
    assert found["reference"]["galaxies"] == found["sampled"]["n"] == 70
    assert "70, chosen at random of 150, of the validation and test splits" in report.lines[0]
    assert list(arrays["measures"]) == compared_names(BANDS)
    # The colours in which they were painted.
    expected = np.log10(np.exp(0.25 * codes[rows, 4]))
    np.testing.assert_allclose(arrays["decoded_measures"][:, -2], expected, atol=2e-3)
    np.testing.assert_allclose(
        arrays["decoded_examples"], paint(codes[rows[np.linspace(0, 69, 10).astype(int)]]), atol=1e-6
    )
    np.testing.assert_allclose(arrays["real_measures"][:, -2], expected, atol=0.1)
    assert found["decoded"]["colour_g_r"]["mean"] == pytest.approx(arrays["decoded_measures"][:, -2].mean())
    path = write_table(plain_table(report.tables["card"]), tmp_path / "card")
    table = Table.read(path)
    row = table[(table["set"] == "sampled") & (table["measure"] == "r50")]
    for name in ("bias", "bias_error", "scatter", "w1", "ks", "n_real"):
        assert row[name][0] == pytest.approx(found["sampled"]["r50"][name])


def test_log_measures_are_compared_as_logarithms_and_biased_in_percent():
    bright = 1.5 * np.ones(100)
    generator = np.random.default_rng(0)
    flux = 10 ** generator.normal(2, 0.3, 100)
    sets = []
    for factor in (1, bright):
        values = {name: generator.normal(size=100) for name in galaxy_sets.measure_names(["0"])}
        measured = galaxy_sets.Measurements({**values, "flux": factor * flux}, *np.zeros((2, 100), bool))
        sets.append(
            galaxy_sets.GalaxySet(measured, np.array([0.03, 0.5]), np.ones((100, 2)), np.zeros((1, 8, 8, 1)))
        )
    found = galaxy_sets.compare(*sets, ["0"], 100, 0, paired=True, classified=False)
    assert found["flux"]["bias"] == pytest.approx(50) and found["flux"]["bias_unit"] == "%"
    assert found["flux"]["w1"] == pytest.approx(np.log10(1.5) / np.log10(flux).std())
    assert found["flux"]["mean_real"] == pytest.approx(flux.mean())
    assert found["e1"]["bias_unit"] == "real standard deviations" and "auc" not in found
    assert found["measures"] == 11


def redshifts(data, codes, rows=slice(None)):
    """The dataset with redshifts, on which the flux depends; unknown where `rows` does not say."""
    redshift = np.full(len(data), np.nan, np.float32)
    redshift[rows] = 1 - 0.2 * codes[rows, 0]
    names = {"condition_names": ["redshift"], "condition_units": [""]}
    values = {name: getattr(data, name) for name in ("images", "splits")}
    return dataset(codes, condition=redshift[:, None], **names, **values)


def test_a_conditional_model_is_compared_in_bins_of_redshift(galaxies, unclassified):
    codes, data = galaxies
    data = redshifts(data, codes)

    def decode(codes, condition):  # by a decoder that knows the flux from the redshift alone
        return paint(np.column_stack([5 * (1 - condition[:, 0]), codes[:, 1:]]))

    found = card(run_of(codes, data, decode, conditional=True))
    bins = found["bins"]
    assert bins["by"] == "redshift" and list(bins) == ["by", "floor", "decoded", "sampled"]
    assert found["conditions"] == "those of the real galaxies"
    assert len(bins["sampled"]) == 3
    for kind in ("decoded", "sampled"):
        assert [one["n"] for one in bins[kind]] == [50, 50, 50]
        means = [one["flux"]["mean"] / one["flux"]["mean_real"] for one in bins[kind]]
        np.testing.assert_allclose(means, 1, atol=0.15)
    fluxes = [one["flux"]["mean_real"] for one in bins["decoded"]]
    assert fluxes[0] > 1.3 * fluxes[1] > 1.3**2 * fluxes[2]
    for one in bins["floor"]:  # of equal numbers, where there are enough
        assert one.get("n") == 50 or int(one["not measured"].split()[0]) < 50


def test_bins_need_enough_known_redshifts(galaxies, unclassified):
    codes, data = galaxies
    held_out = np.concatenate([data.split("val"), data.split("test")])
    known = redshifts(data, codes, held_out)
    bins = card(run_of(codes, known))["bins"]  # no conditional model: its samples have no redshift
    assert list(bins) == ["by", "floor", "decoded"]
    assert {one["not measured"] for one in bins["floor"]} == {"0 galaxies, fewer than 50"}
    constant = redshifts(data, codes, held_out)
    constant.condition[:] = 0.5
    same = physics_card._bins(run_of(codes, constant), {}, {"real": held_out}, ())
    assert same == {"not measured": "the real galaxies have too few different values of redshift"}
    run = run_of(codes, redshifts(data, codes, held_out[1:]))
    few = physics_card._bins(run, {}, {"real": held_out}, ())
    assert few == {"not measured": "fewer than 150 of the real galaxies have a known redshift"}


def test_what_cannot_be_measured_says_why_and_the_rest_is_there(unclassified):
    codes = np.random.default_rng(10).normal(size=(109, 6)).astype(np.float32)
    data = dataset(codes, splits(49, 60))

    def refuse(codes):
        if not np.isin(codes, known).all():
            raise GalvaeError("run: expected weights that decode codes to intensities, received NaN")
        return paint(codes)

    known = codes
    report = physics_card.measure(run_of(codes, data, refuse), None, CONFIG, {})
    found = report.summary["card"]
    assert found["floor"] == {"not measured": "49 galaxies in the training split, fewer than 50"}
    for name in ("sampled", "sampled_with_noise"):
        assert "received NaN" in found[name]["not measured"]
    assert "w1" not in found and found["decoded"]["w1"] > 0
    assert "not measured: 49 galaxies" in report.lines[1] and "not measured: run: expected" in report.lines[4]

    few = splits(60, 49)
    report = physics_card.measure(run_of(codes, dataset(codes, few)), None, CONFIG, {})
    why = "49 galaxies in the validation and test splits, fewer than 50"
    assert report.summary == {"card": {"not measured": why}} and why in report.lines[0]


@pytest.mark.parametrize("bands", [1, 3])
def test_blank_images_hold_no_galaxies_and_no_error(bands, unclassified):
    images = np.zeros((120, 16, 16, bands), np.uint8)
    data = GalaxyDataset(name="blank", images=images, pixel_range=(0, 255), splits=splits(60, 60))
    codes = np.zeros((120, 6), np.float32)
    found = card(run_of(codes, data, lambda codes: np.zeros((len(codes), 16, 16, bands), np.float32)))
    for name in ("floor", "decoded", "sampled_with_noise"):
        entry = found[name]
        assert (entry["empty"], entry["empty_real"], entry["failed"], entry["w1"], entry["auc"]) == (
            1,
            1,
            1,
            None,
            None,
        )
        assert entry["r50"]["mean"] is None and entry["r50"]["n"] == 0


def test_a_band_without_light_costs_its_colours_alone(galaxies, unclassified):
    codes, data = galaxies
    dark = data.images.copy()
    dark[..., 2] = 0
    data = GalaxyDataset(
        name="dark", images=dark, pixel_range=(0, 1), band_names=BANDS, splits=splits(TRAIN, HELD_OUT)
    )
    found = card(run_of(codes, data, lambda codes: paint(codes) * np.float32([1, 1, 0])))["decoded"]
    assert (found["measures"], found["failed"], found["auc"]) == (12, 0, 0.75)
    assert found["colour_r_z"]["w1"] is None and found["colour_g_r"]["w1"] < 0.1


SHAPES = ("sigma", "r50", "flux", "ellipticity", "peak", "concentration")


@pytest.mark.slow
def test_shuffled_colours_change_the_colours_alone(galaxies):
    def shuffle(codes):
        images = paint(codes)
        images[::2] = images[::2][..., ::-1]  # the mean band, and so the shape, is the same
        return images

    codes, data = galaxies
    codes = codes * [1, 1, 1, 1, 2, 2] + [0, 0, 0, 0, -2, 2]  # blue and red differ
    data = dataset(codes, data.splits)
    prior = GaussianPrior(codes.mean(axis=0), np.cov(codes.T))
    right, wrong = (card(run_of(codes, data, decode, prior)) for decode in (paint, shuffle))
    for name in ("decoded_with_noise", "sampled_with_noise"):
        assert (w1(wrong[name], *COLOURS) > 0.8).all() and (w1(right[name], *COLOURS) < 0.3).all()
        np.testing.assert_allclose(w1(wrong[name], *SHAPES), w1(right[name], *SHAPES), atol=0.01)
        assert wrong[name]["auc"] > 0.65 > right[name]["auc"]


@pytest.mark.slow
def test_blurred_images_are_too_large_too_faint_and_without_fine_structure(galaxies):
    found = card(run_of(*galaxies, lambda codes: gaussian_filter(paint(codes), (0, 2, 2, 0))))
    for name in ("decoded_with_noise", "sampled_with_noise"):
        entry = found[name]
        assert all(entry[key]["bias"] > 3 * entry[key]["bias_error"] for key in ("sigma", "r50"))
        assert entry["peak"]["bias"] < -3 * entry["peak"]["bias_error"]
        assert entry["power_ratio"]["0.25"]["ratio"] < 0.2
        assert entry["auc"] > 0.95 and entry["w1"] > 5 * found["floor"]["w1"]
        assert (w1(entry, *COLOURS) < 0.3).all()


@pytest.mark.slow
def test_codes_far_from_the_prior_decode_to_images_without_a_galaxy(galaxies):
    codes, data = galaxies
    found = card(run_of(5 + 0.5 * codes, data, lambda codes: paint((codes - 5) / 0.5)))  # a tight posterior
    assert found["sampled"]["empty"] > 0.5 > found["decoded"]["empty"] == 0
    assert found["sampled"]["w1"] > 10 * found["floor"]["w1"]


@pytest.mark.slow
def test_copies_of_training_galaxies_are_as_real_as_they_look(galaxies):
    codes, data = galaxies
    copied = SimpleNamespace(sample=lambda n, condition, seed: codes[data.split("train")][:n])
    found = card(run_of(codes, data, prior=copied))
    entry, floor = found["sampled_with_noise"], found["floor"]
    assert abs(entry["w1"] - floor["w1"]) < 3 * np.hypot(entry["w1_error"], floor["w1_error"])
    assert abs(entry["auc"] - 0.5) < 4 * entry["auc_error"]


@pytest.mark.slow
def test_permuted_redshifts_are_seen_in_their_bins(galaxies):
    codes, data = galaxies
    data = redshifts(data, codes)

    def decode(codes, condition):
        return paint(np.column_stack([5 * (1 - condition[:, 0]), codes[:, 1:]]))

    def permuted(codes, condition):
        return decode(codes, np.random.default_rng(len(codes)).permutation(condition))

    right, wrong = (card(run_of(codes, data, model, conditional=True)) for model in (decode, permuted))
    # Over all redshifts, the galaxies are as they should be.
    assert wrong["sampled_with_noise"]["w1"] < right["sampled_with_noise"]["w1"] + 0.05
    for one, other in zip(wrong["bins"]["sampled"][::2], right["bins"]["sampled"][::2], strict=True):
        assert one["flux"]["w1"] > 3 * other["flux"]["w1"]


def test_learned_noise_is_taken_where_there_is_any(galaxies, unclassified):
    run = run_of(*galaxies)
    run.noise = lambda images, generator: np.full_like(images, 0.01) * generator.choice([-1, 1])
    report = physics_card.measure(run, None, CONFIG, {})
    found, arrays = report.summary["card"], report.arrays["card"]
    assert found["noise"] == report.facts["noise"] == "learned" and "with learned noise" in report.lines[3]
    assert found["w1"] == found["sampled_with_noise"]["w1"] != found["sampled"]["w1"]
    shift = np.abs(arrays["decoded_with_noise_examples"] - arrays["decoded_examples"])
    assert shift.max() < 0.0101 and np.median(shift) > 0.0099  # clipped to [0, 1]
    assert arrays["decoded_with_noise_examples"].min() >= 0
    run.noise = None
    report = physics_card.measure(run, None, CONFIG, {})
    assert report.summary["card"]["noise"] == "border" and "a real border's noise" in report.lines[3]
    assert report.summary["card"]["w1"] == report.summary["card"]["sampled"]["w1"]
