"""galvae traverse and sample: the walks' codes by arithmetic, their images by the model."""

import numpy as np
import pytest
from astropy.table import Table
from builders.command_line import run_command
from builders.configs import SMALL
from builders.drawn import image_at, places, rendered
from builders.galaxies import ellipses
from PIL import Image

from galvae import figures
from galvae.analysis.axis_effects import measure_effects
from galvae.commands import sample
from galvae.latent import inference
from galvae.latent.inference import encode_dataset
from galvae.latent.information import information
from galvae.latent.walks import slerp
from galvae.runs.trained_run import TrainedRun


def traverse(galvae, run, folder, *overrides):
    status, out, err = galvae("traverse", f"run={run}", f"hydra.run.dir={folder}", "steps=5", *overrides)
    assert status == 0, err
    assert out.splitlines()[-1] == str(folder)
    return err


def names(folder):
    return {path.name for path in folder.iterdir()} - {"traverse.log"}


def arrays(path):
    with np.load(path) as stored:
        return dict(stored)


def test_every_axis_is_walked_the_most_informative_first(galvae, trained, tmp_path, drawn):
    run = TrainedRun.open(trained("vae"))
    err = traverse(galvae, run.path, tmp_path / "t")
    assert names(tmp_path / "t") == {"traverse.png", "traverse.npz"}
    found = arrays(tmp_path / "t" / "traverse.npz")
    model = run.model
    encoded = encode_dataset(model, run.dataset, np.arange(60))
    expected = information(encoded.mean, encoded.log_variance)
    np.testing.assert_array_equal(found["axes"], np.argsort(-expected))
    np.testing.assert_allclose(found["information"], np.sort(expected)[::-1], rtol=1e-4)
    noise = np.random.default_rng(0).standard_normal((60, 3))
    ends = np.percentile(encoded.mean + encoded.std * noise, [0.5, 99.5], axis=0)
    for row, axis in enumerate(found["axes"]):
        expected = np.tile(np.median(encoded.mean, axis=0), (5, 1))
        expected[:, axis] = np.linspace(*ends[:, axis], 5)
        np.testing.assert_allclose(found["codes"][row], expected, atol=1e-5)
        np.testing.assert_allclose(found["images"][row], model.decode(expected.astype("f4")), atol=1e-5)
    # Each row has the name that its axis has by the measures.
    effects = measure_effects(run, run.dataset.split("all"), run.codes("all"), range(3), 0)
    assert found["names"].tolist() == [effects.names[axis] for axis in found["axes"]]
    texts = [text.get_text() for text in drawn["traverse"].axes[0].texts]
    for row, (axis, name) in enumerate(zip(found["axes"], found["names"], strict=True)):
        label = next(text for text in texts if text.startswith(f"latent {axis} "))
        assert label.endswith(f"\n{figures.with_minus(name)}")
        assert {figures.with_minus(f"{value:+.2f}") for value in found["values"][row]} <= set(texts)
    assert {"0.5 %", "99.5 %"} <= set(texts)
    assert "axes are named after what they change most around 60 galaxies, decoded and measured" in err


def test_the_span_leads_from_the_origin_of_the_prior(galvae, trained, tmp_path):
    run = TrainedRun.open(trained("vae"))
    traverse(galvae, run.path, tmp_path / "t", "span=3", "axes=[1]")
    found = arrays(tmp_path / "t" / "traverse.npz")
    np.testing.assert_allclose(found["codes"], [[[0, value, 0] for value in (-3, -1.5, 0, 1.5, 3)]])
    np.testing.assert_allclose(
        found["images"][0], run.model.decode(found["codes"][0].astype("f4")), atol=1e-5
    )


def byte(images):
    return np.round(255 * images).astype(int)


def test_two_axes_have_a_plane_at_a_galaxy(galvae, trained, tmp_path, drawn, reversed_bands):
    run = TrainedRun.open(trained("vae"))
    overrides = ["axes=[2,0]", "at=G007", "span=2", "colour=redshift", "format=svg", "value_map=magma"]
    traverse(galvae, run.path, tmp_path / "t", *overrides)
    expected = {"traverse.svg", "traverse.npz", "plane.svg", "plane.npz"}
    assert names(tmp_path / "t") == expected | {"plane_scatter.svg", "plane_scatter.npz"}
    model = run.model
    code = np.asarray(model.encode(run.dataset.images[[7]])[0])[0]
    found = arrays(tmp_path / "t" / "plane.npz")
    assert found["codes"].shape == (5, 5, 3)
    np.testing.assert_allclose(found["codes"][..., 1], code[1], atol=1e-5)
    np.testing.assert_allclose(found["codes"][4, 1], [2, code[1], -1], atol=1e-5)  # x is axis 2, y axis 0
    np.testing.assert_allclose(
        found["images"][4, 1], model.decode(found["codes"][4, [1]].astype("f4"))[0], atol=1e-5
    )
    scattered = arrays(tmp_path / "t" / "plane_scatter.npz")
    mean = np.asarray(model.encode(run.dataset.images[scattered["indices"]])[0])
    np.testing.assert_allclose(scattered["codes"], mean[:, [2, 0]], atol=1e-5)
    # Each point has the redshift of its own galaxy, of which two have none, and the axes have their own names.
    walks = arrays(tmp_path / "t" / "traverse.npz")
    named = dict(zip(walks["axes"], walks["names"], strict=True))
    scatter, _, plane = drawn["plane_scatter"].axes
    unknown, known = scatter.collections
    np.testing.assert_allclose(unknown.get_offsets(), mean[:2, [2, 0]], atol=1e-5)
    order = np.argsort(known.get_array())
    np.testing.assert_allclose(known.get_array()[order], np.linspace(0.1, 2, 60)[2:], rtol=1e-5)
    np.testing.assert_allclose(known.get_offsets()[order], mean[2:, [2, 0]], atol=1e-5)
    assert known.cmap.name == "magma"
    for axes in (scatter, plane, drawn["plane"].axes[0]):
        assert axes.get_xlabel().startswith("latent 2 ") and axes.get_ylabel().startswith("latent 0 ")
        assert axes.get_xlabel().endswith(figures.with_minus(f": {named[2]}"))
    # In the figure of the axes, the galaxy itself stands before its reconstruction, at the end of the walks.
    texts = {text.get_text(): text.get_position() for text in drawn["traverse"].axes[0].texts}
    dots, zoom = rendered(drawn["traverse"]), 17  # 1400 dots for five images of 16 pixels
    stored = reversed_bands(run.dataset.images[[7]] / np.float32(255))[0]
    x, y = texts["original"][0], texts["id G007"][1]
    np.testing.assert_array_equal(places(dots, stored, zoom), [[x, y]])
    reconstructed = image_at(dots, (texts["decoded"][0], y), (16, 16), zoom).astype(int)
    np.testing.assert_allclose(reconstructed, reversed_bands(model.decode(code[None]))[0], atol=1)
    assert sorted(walks["axes"]) == [0, 2]
    for row, (axis, value) in enumerate(zip(walks["axes"], walks["information"], strict=True)):
        label = next(text for text in texts if text.startswith(f"latent {axis} "))
        assert label.endswith(f"\n{figures.amount(value, 'nats')}\n{figures.with_minus(named[axis])}")
        for offset, image in zip(("\N{MINUS SIGN}2.0", "+1.0"), walks["images"][row, [0, 3]], strict=True):
            seen = image_at(dots, (texts[offset][0], texts[label][1]), (16, 16), zoom)
            np.testing.assert_array_equal(seen, reversed_bands(image[None])[0])


@pytest.mark.slow
def test_the_condition_is_walked_with_the_code_held(galvae, trained, tmp_path, drawn):
    run = TrainedRun.open(trained("cvae2"))
    err = traverse(galvae, run.path, tmp_path / "t", "redshifts=[0.2,4]", "seed=4", "redshift=0.7")
    found = arrays(tmp_path / "t" / "condition.npz")
    np.testing.assert_allclose(found["condition"][..., 0], np.tile(np.linspace(0.2, 4, 5), (8, 1)), rtol=1e-6)
    assert (found["codes"] == found["codes"][:, :1]).all()
    np.testing.assert_allclose(
        found["codes"][:, 0], np.random.default_rng(4).standard_normal((8, 3)), rtol=1e-6
    )
    assert "redshift 0.2 to 4 is outside of the dataset's range, 0.1644 to 2: the model extrapolates" in err
    model = run.model
    np.testing.assert_allclose(
        found["images"][3, 4], model.decode(found["codes"][3, [4]], np.full((1, 1), 4, "f4"))[0], atol=1e-5
    )
    texts = {text.get_text(): text.get_position() for text in drawn["condition"].axes[0].texts}
    place = texts["z 4.00"][0], texts["galaxy 4"][1]
    seen = image_at(rendered(drawn["condition"]), place, (16, 16), 17)  # 1400 dots for five images
    np.testing.assert_allclose(seen, byte(found["images"][3, 4]), atol=1)
    # The axes are walked at the redshift asked for, or at a galaxy's own.
    data, axes = run.dataset, arrays(tmp_path / "t" / "traverse.npz")
    np.testing.assert_allclose(axes["condition"], [0.7], rtol=1e-6)
    at_it = model.decode(axes["codes"][0, [1]].astype("f4"), np.full((1, 1), 0.7, "f4"))
    np.testing.assert_allclose(axes["images"][0, 1], at_it[0], atol=1e-5)
    traverse(galvae, run.path, tmp_path / "at", "at=G030")
    at = arrays(tmp_path / "at" / "condition.npz")
    assert at["codes"].shape == (1, 5, 3)
    np.testing.assert_allclose(
        at["codes"][0, 0], model.encode(data.images[[30]], data.condition[[30]])[0][0], atol=1e-5
    )
    np.testing.assert_allclose(
        arrays(tmp_path / "at" / "traverse.npz")["condition"], data.condition[30], rtol=1e-6
    )


def test_a_path_leads_from_galaxy_to_galaxy(galvae, trained, tmp_path, drawn):
    run, folder, ends = TrainedRun.open(trained("cvae2")), tmp_path / "t", [10, 50]
    traverse(galvae, run.path, folder, "from=G010", "to=G050", "axes=[1]", "gif=true")
    found, data = arrays(folder / "between.npz"), run.dataset
    condition = data.condition[ends]
    path = slerp(*np.asarray(run.model.encode(data.images[ends], condition)[0]), 5)
    np.testing.assert_allclose(found["codes"][0], path, atol=1e-5)
    decoded = run.model.decode(path.astype("f4"), np.linspace(*condition, 5))
    np.testing.assert_allclose(found["images"][0], decoded, atol=1e-5)
    # The galaxies themselves stand at the ends.
    texts = {text.get_text(): text.get_position()[0] for text in drawn["between"].axes[0].texts}
    for name, row in (("id G010", 10), ("id G050", 50)):
        (place,) = places(rendered(drawn["between"]), data.images[row], 12)  # 1400 dots for seven images
        assert place[0] == texts[name]
    assert texts["id G010"] < texts["0.00"] < texts["1.00"] < texts["id G050"]
    for name in ("between.gif", "traverse.gif", "condition.gif"):
        with Image.open(folder / name) as animation:
            assert animation.n_frames == 8


BAD = {
    "no such axis": ("vae", ["axes=[0,3]"], "axes: expected latent dimensions from 0 to 2, received [0, 3]"),
    "an axis twice": ("vae", ["axes=[1,1]"], "axes: expected different latent dimensions"),
    "no such id": ("vae", ["at=nix"], "id nix: expected one galaxy of dataset files with it, received none"),
    "one end only": (
        "vae",
        ["from=G001"],
        "from, to: expected both ends of a path, received from=G001 to=None",
    ),
    "no condition": ("vae", ["redshift=0.5"], "condition: expected none, because vae takes no condition"),
    "no condition to walk": ("ae", ["redshifts=[0,1]"], "condition: expected none, because ae takes no"),
    "a galaxy without redshift": (
        "cvae2",
        ["at=G000"],
        "id G000: expected a galaxy with a known redshift, received one without",
    ),
    "three ends": ("cvae2", ["redshifts=[0,1,2]"], "redshifts: expected two numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line_and_leaves_nothing(case, galvae, trained, tmp_path):
    model, overrides, message = BAD[case]
    where = f"hydra.run.dir={tmp_path / 't'}"
    status, _, err = galvae("traverse", f"run={trained(model)}", where, *overrides)
    assert status == 2
    lines = [line for line in err.splitlines() if "left out" not in line]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "t").exists()


def all_orientations(images):
    """Images in the eight orientations of a square, (8, n, H, W, C)."""
    turned = [np.rot90(images, number, axes=(1, 2)) for number in range(4)]
    return np.stack([*turned, *(one[:, :, ::-1] for one in turned)])


def test_samples_stand_over_their_nearest_training_galaxies(galvae, trained, tmp_path, drawn, reversed_bands):
    run = TrainedRun.open(trained("vae"))
    folder = tmp_path / "s"
    status, _, err = galvae("sample", f"run={run.path}", f"hydra.run.dir={folder}", "n=7", "nearest=true")
    assert status == 0, err
    images = arrays(folder / "samples.npz")["images"]
    table = Table.read(folder / "nearest.ecsv")
    data = run.dataset
    assert len(table) == 7 and np.isin(table["index"], data.split("train")).all()
    assert list(table["id"]) == [f"G{index:03d}" for index in table["index"]]
    turned = all_orientations(data.to_unit(data.images[data.split("train")]))
    difference = np.sqrt(((images[:, None, None] - turned) ** 2).mean(axis=(3, 4, 5))).min(axis=(1, 2))
    np.testing.assert_allclose(table["rms_difference"], difference, rtol=1e-3)
    # In the figure, each generated galaxy stands over its nearest, turned as it was found.
    dots, zoom = rendered(drawn["nearest"]), 12  # 1400 dots for seven galaxies of 16 pixels
    texts = [text for text in drawn["nearest"].axes[0].texts if text.get_text().startswith("rms")]
    assert [text.get_text() for text in texts] == [f"rms {value:.3f}" for value in table["rms_difference"]]
    for text, image, row in zip(texts, images, table["index"], strict=True):
        x, y = text.get_position()[0], text.get_position()[1] - 26 // 8 - 8 * zoom
        found = image_at(dots, (x, y), (16, 16), zoom)
        real = reversed_bands(data.to_unit(data.images[[row]]))
        assert any((found == one).all() for one in all_orientations(real)[:, 0])
        above = image_at(dots, (x, y - 17 * zoom), (16, 16), zoom).astype(int)
        np.testing.assert_allclose(above, reversed_bands(image[None])[0], atol=1)
    # And in that of the samples, the third of nine stands at the end of the first row.
    samples = image_at(rendered(drawn["samples"]), (28 * (2 * 17 + 8), 28 * 8), (16, 16), 28)
    np.testing.assert_allclose(samples.astype(int), reversed_bands(images[[2]])[0], atol=1)


@pytest.mark.slow
def test_a_condition_is_a_redshift_by_another_name(galvae, trained, tmp_path):
    run = f"run={trained('cvae2')}"
    for command, by_name in {
        "sample": ["n=3", "nearest=true", "{}=[0.5,1.5]"],
        "traverse": ["steps=3", "gif=true", "axes=[0,2]", "{}=0.7", "{}s=[0.2,1.5]"],
    }.items():
        written = {}
        for key in ("redshift", "condition"):
            folder = tmp_path / f"{command}_{key}"
            overrides = [override.format(key) for override in by_name]
            status, _, err = galvae(command, run, f"hydra.run.dir={folder}", *overrides)
            assert status == 0, err
            files = [path for path in folder.iterdir() if path.suffix != ".log"]
            written[key] = {path.name: path.read_bytes() for path in files}
        assert len(written["redshift"]) >= 4
        assert written["redshift"] == written["condition"]


@pytest.fixture(scope="module")
def mass_run(tmp_path_factory):
    """A run of cvae2 on images of one band, whose condition is a mass."""
    folder = tmp_path_factory.mktemp("mass")
    np.savez(folder / "data.npz", images=ellipses(40, 16, bands=1), mass=np.linspace(8, 11, 40))
    data = (
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={folder / 'data.npz'}",
        "dataset.images=images",
    )
    model = ("dataset.condition=[mass]", "model=cvae2", *SMALL, "epochs=1")
    assert run_command("train", *data, *model, f"hydra.run.dir={folder / 'run'}") == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("command", "given"),
    [
        ("sample", "redshift=[9]"),
        ("traverse", "redshift=9"),
        pytest.param("traverse", "redshifts=[9,10]", marks=pytest.mark.slow),
    ],
)
def test_a_redshift_is_refused_where_the_condition_is_another_one(
    command, given, galvae, mass_run, tmp_path, drawn
):
    where = f"hydra.run.dir={tmp_path / 'out'}"
    status, _, err = galvae(command, f"run={mass_run}", where, given)
    key, _, value = given.partition("=")
    assert (status, err) == (
        2,
        f"galvae: {key}: expected a run whose condition is a redshift, received one with mass; "
        f"{key.replace('redshift', 'condition')}= takes any condition\n",
    )
    assert not (tmp_path / "out").exists()
    asked = [given.replace("redshift", "condition"), "image_map=hot", "format=pdf", "steps=2"]
    status, _, err = galvae(command, f"run={mass_run}", where, *asked[: 4 if command == "traverse" else 3])
    assert status == 0, err
    assert set(drawn) == ({"samples"} if command == "sample" else {"traverse", "condition"})
    for name, figure in drawn.items():  # in the colours of the map, which are not grey
        assert (np.ptp(rendered(figure).astype(int), axis=-1) > 50).any(), name
        assert (tmp_path / "out" / f"{name}.pdf").is_file()


def test_galaxies_of_every_redshift_are_drawn_and_their_nearest_listed(galvae, trained, tmp_path, drawn):
    folder = tmp_path / "s"
    run = f"run={trained('cvae2')}"
    overrides = ["n=70", "redshift=[0.5,9]", "nearest=true"]
    status, _, err = galvae("sample", run, f"hydra.run.dir={folder}", *overrides)
    warning = "redshift 0.5 to 9 is outside of the dataset's range, 0.1644 to 2: the model extrapolates"
    assert status == 0 and warning in err.splitlines()
    table = Table.read(folder / "nearest.ecsv")
    assert len(table) == 100
    stored = arrays(folder / "samples.npz")
    np.testing.assert_allclose(table["sample_redshift"], stored["condition"][table["sample"], 0])
    assert set(table["sample_redshift"]) == {0.5, 9}
    np.testing.assert_array_equal(stored["codes"][:70], stored["codes"][70:])
    # The first galaxy of each panel stands under the redshift that it was made for.
    dots, zoom, width = rendered(drawn["samples"]), 7, (9 * 16 + 8) * 7  # 1050 dots for nine images
    texts = {text.get_text(): text.get_position() for text in drawn["samples"].axes[0].texts}
    for title, first in (("z = 0.5", 0), ("z = 9", 70)):
        x, y = texts[title]
        middle = x - width / 2 + 8 * zoom, y + 0.4 * 26 * 2 * width / 1400 + 8 * zoom
        seen = image_at(dots, middle, (16, 16), zoom)
        np.testing.assert_allclose(seen, byte(stored["images"][first]), atol=1)
    data = TrainedRun.open(trained("cvae2")).dataset
    turned = all_orientations(data.to_unit(data.images[table["index"]]))
    expected = np.sqrt(((turned - stored["images"][table["sample"]]) ** 2).mean(axis=(2, 3, 4))).min(axis=0)
    np.testing.assert_allclose(table["rms_difference"], expected, rtol=1e-3)


def test_many_samples_are_written_in_batches(galvae, trained, tmp_path, monkeypatch, drawn):
    monkeypatch.setattr(inference, "BATCH", 16)
    monkeypatch.setattr(sample, "MAX_DRAWN", 18)
    where = f"hydra.run.dir={tmp_path / 's'}"
    status, _, err = galvae("sample", f"run={trained('cvae2')}", where, "n=50", "redshift=[0.5,1.5]")
    assert status == 0
    assert err == "the figure shows the first 9 of 50 galaxies of each block\n"
    stored = arrays(tmp_path / "s" / "samples.npz")
    model = TrainedRun.open(trained("cvae2")).model
    expected = model.decode(stored["codes"], stored["condition"])
    np.testing.assert_allclose(stored["images"], expected, atol=1e-5)
    texts = {text.get_text(): text.get_position() for text in drawn["samples"].axes[0].texts}
    for title, first in (("z = 0.5", 0), ("z = 1.5", 50)):
        x, y = texts[title]
        place = round(x + 0.3 * 26) + 9 * 8, y  # 1400 dots for nine images
        seen = image_at(rendered(drawn["samples"]), place, (16, 16), 9)
        np.testing.assert_allclose(seen, byte(stored["images"][first]), atol=1)
