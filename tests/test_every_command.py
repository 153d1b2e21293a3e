"""Every command that reads a run, over every model."""

import pytest
from conftest import SMALL, blobs

from galvae.config import GROUPS

CONDITIONAL = ("cvae", "cvae2", "fancy_cvae")


@pytest.mark.parametrize("model", GROUPS["model"])
def test_every_command_reads_every_model(model, galvae, trained, tmp_path):
    expected = {
        "evaluate": {"loss", "latent", "information", "pairs", "reconstructions"},
        "sample": {"samples", "nearest"},
        "traverse": {"traverse", "plane", "plane_scatter", "between"},
        "umap": {"umap", "mosaic", "montage"},
        "compare": {"samples", "loss"},
    }
    if model in CONDITIONAL:
        expected["evaluate"].add("predicted_redshift")
        expected["traverse"].add("condition")
    if model != "ae":
        expected["compare"].add("rate_distortion")
    overrides = {
        "evaluate": ["bootstrap=100", "condition_grid=3"],
        "sample": ["n=4", "nearest=true"],
        "traverse": ["steps=3", "axes=[0,2]", "from=G010", "to=G020"],
        "umap": ["n_epochs=5", "grid=4"],
        "compare": ["n=4"],
    }
    for command, figures in expected.items():
        folder = tmp_path / command
        run = f"{'runs' if command == 'compare' else 'run'}={trained(model)}"
        status, out, err = galvae(command, run, f"hydra.run.dir={folder}", *overrides[command])
        assert status == 0, err
        assert out.splitlines()[-1] == str(folder)
        assert {path.stem for path in folder.glob("*.png")} == figures


def test_every_command_takes_a_run_of_one_latent_and_no_classes(galvae, tmp_path):
    """Two channels, images that are not square, a single latent dimension, nothing known of the galaxies."""
    import numpy as np

    np.save(tmp_path / "pictures.npy", blobs(40, 16, bands=2)[:, :, :12])
    overrides = ["dataset=files", f"dataset.path={tmp_path / 'pictures.npy'}", "latent_dim=1", *SMALL]
    assert galvae("train", *overrides)[0] == 0
    for command, more in (
        ("evaluate", ["bootstrap=100"]),
        ("sample", ["n=3", "nearest=true"]),
        ("traverse", ["at=3", "from=1", "to=2"]),
        ("umap", ["n_epochs=5", "grid=3", "n_neighbors=5"]),
    ):
        status, out, err = galvae(command, "run=latest", *more)
        assert status == 0, err
        assert out.splitlines()[-1].endswith(f"files_vae_z1/{command}")
    status, out, err = galvae("compare", "runs=latest", "n=4")
    assert status == 0, err
