"""Every command on a run that is conditional on classes and redshift."""

import json

import h5py
import numpy as np
import pytest
from astropy.table import Table
from builders.configs import SMALL
from builders.galaxies import ellipses

pytestmark = pytest.mark.slow

NAMES = ["disc", "edge-on", "spheroid"]


@pytest.fixture
def classified(galvae, tmp_path):
    """A run of cvae2 on 120 galaxies, some without a class."""
    labels = np.arange(120) % 3
    kinds = np.array(NAMES)[labels]
    kinds[::20] = ""
    with h5py.File(tmp_path / "galaxies.h5", "w") as file:
        file["images"] = ellipses(120, 16)
        file["kind"] = kinds.astype("S10")
        file["redshift"] = np.linspace(0.1, 2, 120)
    keys = ("dataset=files", f"dataset.path={tmp_path / 'galaxies.h5'}", "dataset.labels=kind")
    status, _, err = galvae(
        "train",
        *keys,
        "dataset.axes=NHWC",
        "dataset.condition=[redshift,class]",
        "model=cvae2",
        *SMALL,
        "epochs=1",
        "latent_dim=3",
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert status == 0, err
    return tmp_path / "run"


def test_every_command_takes_classes(galvae, classified, tmp_path):
    run = f"run={classified}"

    def done(*words):
        status, _, err = galvae(*words, run)
        assert status == 0, err

    done("sample", "n=4", "condition=all", "nearest=true", "prior=normal", f"hydra.run.dir={tmp_path / 's'}")
    with np.load(tmp_path / "s" / "samples.npz") as stored:
        np.testing.assert_array_equal(stored["condition"][:, :3], np.repeat(np.eye(3), 4, axis=0))
    assert set(Table.read(tmp_path / "s" / "nearest.ecsv")["sample_class"]) <= set(NAMES)
    done("sample", "n=4", "condition={class:edge-on,redshift:0.5}", f"hydra.run.dir={tmp_path / 'm'}")
    with np.load(tmp_path / "m" / "samples.npz") as stored:
        np.testing.assert_array_equal(stored["condition"], np.tile(np.float32([0, 1, 0, 0.5]), (4, 1)))
    done("traverse", "steps=3", "redshifts=[0,1]", "condition=2", f"hydra.run.dir={tmp_path / 't'}")
    with np.load(tmp_path / "t" / "condition.npz") as stored:
        np.testing.assert_array_equal(stored["condition"][:, 0, :3], np.eye(3))
        np.testing.assert_allclose(stored["condition"][1, :, 3], [0, 0.5, 1])
    words = ("cards=[conditions,probes]", "split=all", "samples=60", "bootstrap=100", "condition_grid=3")
    done("evaluate", *words, f"hydra.run.dir={tmp_path / 'e'}")
    metrics = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert metrics["predictions"]["class"]["galaxies"] == 114 and "redshift" in metrics["predictions"]
    assert metrics["class_audit"]["not measured"].endswith("of validation and test, fewer than 50")
    assert metrics["probes"]["class"]["given_to_encoder"] and set(metrics["probes"]) == {"class", "redshift"}
    table = Table.read(tmp_path / "e" / "galaxies.ecsv")
    assert set(table["predicted_class"]) <= set(NAMES) and not any(
        "class=" in name for name in table.colnames
    )
    status, _, err = galvae("sample", run, "condition=edgeon")
    assert status == 2 and err.endswith("or all, received edgeon; did you mean edge-on?\n")
