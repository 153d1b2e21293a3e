"""galvae traverse and sample: the walks' codes by arithmetic, their images by the model."""

import numpy as np
import pytest
from astropy.table import Table
from builders.command_line import run_command
from builders.configs import SMALL
from builders.galaxies import blobs
from PIL import Image

from galvae.commands import sample
from galvae.latent import codes
from galvae.latent.codes import encode_dataset
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


def test_every_axis_is_walked_the_most_informative_first(galvae, trained, tmp_path):
    run = TrainedRun.open(trained("vae"))
    traverse(galvae, run.path, tmp_path / "t")
    assert names(tmp_path / "t") == {"traverse.png", "traverse.npz"}
    found = arrays(tmp_path / "t" / "traverse.npz")
    model = run.model
    encoded = encode_dataset(model, run.dataset, np.arange(60))
    expected = information(encoded.mean, encoded.log_variance)
    np.testing.assert_array_equal(found["axes"], np.argsort(-expected))
    np.testing.assert_allclose(found["information"], np.sort(expected)[::-1], rtol=1e-4)
    for row, axis in enumerate(found["axes"]):
        expected = np.zeros((5, 3))
        expected[:, axis] = [-3, -1.5, 0, 1.5, 3]
        np.testing.assert_allclose(found["codes"][row], expected)
        np.testing.assert_allclose(found["images"][row], model.decode(expected.astype("f4")), atol=1e-5)


def test_two_axes_have_a_plane_at_a_galaxy(galvae, trained, tmp_path):
    run = TrainedRun.open(trained("vae"))
    overrides = ["axes=[2,0]", "at=G007", "span=2", "colour=redshift", "format=svg"]
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


def test_the_condition_is_walked_with_the_code_held(galvae, trained, tmp_path):
    run = TrainedRun.open(trained("cvae2"))
    err = traverse(galvae, run.path, tmp_path / "t", "redshifts=[0.2,4]")
    found = arrays(tmp_path / "t" / "condition.npz")
    np.testing.assert_allclose(found["condition"][..., 0], np.tile(np.linspace(0.2, 4, 5), (8, 1)), rtol=1e-6)
    assert (found["codes"] == found["codes"][:, :1]).all()
    assert "redshift 0.2 to 4 is outside of the dataset's range, 0.1644 to 2: the model extrapolates" in err
    model = run.model
    np.testing.assert_allclose(
        found["images"][3, 4], model.decode(found["codes"][3, [4]], np.full((1, 1), 4, "f4"))[0], atol=1e-5
    )
    # The axes are walked at the training mean, or at a galaxy's own redshift.
    data = run.dataset
    axes = arrays(tmp_path / "t" / "traverse.npz")
    mean = data.condition[data.split("train")].mean(axis=0)
    np.testing.assert_allclose(axes["condition"], mean, rtol=1e-5)
    traverse(galvae, run.path, tmp_path / "at", "at=G030")
    at = arrays(tmp_path / "at" / "condition.npz")
    assert at["codes"].shape == (1, 5, 3)
    np.testing.assert_allclose(
        at["codes"][0, 0], model.encode(data.images[[30]], data.condition[[30]])[0][0], atol=1e-5
    )
    np.testing.assert_allclose(
        arrays(tmp_path / "at" / "traverse.npz")["condition"], data.condition[30], rtol=1e-6
    )


def test_a_path_leads_from_galaxy_to_galaxy(galvae, trained, tmp_path):
    for model_name in ("cvae", "ae"):
        run = TrainedRun.open(trained(model_name))
        folder = tmp_path / model_name
        traverse(galvae, run.path, folder, "from=G010", "to=G050", "gif=true")
        found = arrays(folder / "between.npz")
        model = run.model
        data = run.dataset
        ends = [10, 50]
        condition = data.condition[ends] if model.condition_dim else None
        codes = np.asarray(model.encode(data.images[ends], condition)[0])
        path = slerp(*codes, 5) if model_name == "cvae" else np.linspace(*codes, 5)
        np.testing.assert_allclose(found["codes"][0], path, atol=1e-5)
        middle = None if condition is None else condition.mean(axis=0, keepdims=True)
        np.testing.assert_allclose(
            found["images"][0, 2], model.decode(path[[2]].astype("f4"), middle)[0], atol=1e-5
        )
        for name in ("between.gif", "traverse.gif"):
            with Image.open(folder / name) as animation:
                assert animation.n_frames == 8
    assert (tmp_path / "cvae" / "condition.gif").is_file()


def test_a_plain_autoencoder_is_walked_where_its_codes_are(galvae, trained, tmp_path):
    run = TrainedRun.open(trained("ae"))
    traverse(galvae, run.path, tmp_path / "t")
    found = arrays(tmp_path / "t" / "traverse.npz")
    mean, spread = run.prior().mean, run.prior().std
    axis = found["axes"][0]
    np.testing.assert_allclose(
        found["codes"][0, :, axis], mean[axis] + np.array([-3, -1.5, 0, 1.5, 3]) * spread[axis], rtol=1e-5
    )
    others = [other for other in range(3) if other != axis]
    np.testing.assert_allclose(found["codes"][0, 1, others], mean[others], rtol=1e-5)


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


def test_samples_stand_over_their_nearest_training_galaxies(galvae, trained, tmp_path):
    run = TrainedRun.open(trained("vae"))
    folder = tmp_path / "s"
    status, _, err = galvae("sample", f"run={run.path}", f"hydra.run.dir={folder}", "n=7", "nearest=true")
    assert status == 0, err
    images = arrays(folder / "samples.npz")["images"]
    table = Table.read(folder / "nearest.ecsv")
    data = run.dataset
    assert set(table["index"]) <= set(data.split("train"))
    assert list(table["id"]) == [f"G{index:03d}" for index in table["index"]]
    unit = data.to_unit(data.images[data.split("train")])
    straight = np.sqrt(((images[:, None] - unit[None]) ** 2).mean(axis=(2, 3, 4))).min(axis=1)
    # Blobs are round: turning them changes nothing.
    np.testing.assert_allclose(table["rms_difference"], straight, rtol=1e-3)
    assert (folder / "nearest.png").is_file()


def test_redshifts_far_outside_are_drawn_with_a_warning(galvae, trained, tmp_path):
    where = f"hydra.run.dir={tmp_path / 's'}"
    status, _, err = galvae("sample", f"run={trained('cvae2')}", where, "n=30", "redshift=[0.5,9]")
    assert status == 0
    assert err == (
        "redshift 0.5 to 9 is outside of the dataset's range, 0.1644 to 2: the model extrapolates\n"
    )
    found = arrays(tmp_path / "s" / "samples.npz")
    np.testing.assert_allclose(found["condition"][:, 0], np.repeat([0.5, 9], 30))
    np.testing.assert_array_equal(found["codes"][:30], found["codes"][30:])


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
    """A run of cvae2 whose condition is a mass."""
    folder = tmp_path_factory.mktemp("mass")
    np.savez(folder / "data.npz", images=blobs(40, 16), mass=np.linspace(8, 11, 40))
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
    [("sample", "redshift=[9]"), ("traverse", "redshift=9"), ("traverse", "redshifts=[9,10]")],
)
def test_a_redshift_is_refused_where_the_condition_is_another_one(command, given, galvae, mass_run, tmp_path):
    where = f"hydra.run.dir={tmp_path / 'out'}"
    status, _, err = galvae(command, f"run={mass_run}", where, given)
    key, _, value = given.partition("=")
    assert (status, err) == (
        2,
        f"galvae: {key}: expected a run whose condition is a redshift, received one with mass; "
        f"{key.replace('redshift', 'condition')}= takes any condition\n",
    )
    assert not (tmp_path / "out").exists()
    status, _, err = galvae(command, f"run={mass_run}", where, given.replace("redshift", "condition"))
    assert status == 0, err


def test_the_nearest_galaxies_of_every_redshift_are_listed(galvae, trained, tmp_path):
    folder = tmp_path / "s"
    run = f"run={trained('cvae2')}"
    overrides = ["n=70", "redshift=[0.5,1.5]", "nearest=true"]
    assert galvae("sample", run, f"hydra.run.dir={folder}", *overrides)[0] == 0
    table = Table.read(folder / "nearest.ecsv")
    assert len(table) == 100
    stored = arrays(folder / "samples.npz")
    np.testing.assert_allclose(table["sample_redshift"], stored["condition"][table["sample"], 0])
    assert set(table["sample_redshift"]) == {0.5, 1.5}
    data = TrainedRun.open(trained("cvae2")).dataset
    real = data.to_unit(data.images[table["index"]])
    # Blobs are round: as they were found, so they are turned.
    expected = np.sqrt(((real - stored["images"][table["sample"]]) ** 2).mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(table["rms_difference"], expected, rtol=1e-3)


def test_many_samples_are_written_in_batches(galvae, trained, tmp_path, monkeypatch):

    monkeypatch.setattr(codes, "BATCH", 16)
    monkeypatch.setattr(sample, "MAX_DRAWN", 9)
    where = f"hydra.run.dir={tmp_path / 's'}"
    status, _, err = galvae("sample", f"run={trained('vae')}", where, "n=50")
    assert status == 0
    assert err == "the figure shows the first 9 of 50 galaxies of each block\n"
    stored = arrays(tmp_path / "s" / "samples.npz")
    model = TrainedRun.open(trained("vae")).model
    np.testing.assert_allclose(stored["images"], model.decode(stored["codes"]), atol=1e-5)
