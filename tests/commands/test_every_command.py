"""Every command that reads a run, over every model."""

import numpy as np
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses


@pytest.mark.slow  # the fast suite has the tests of single commands
@pytest.mark.parametrize("model", ["ae", "vae", "fancy_cvae"])  # which have all that others have
def test_every_command_reads_every_model(model, galvae, trained, tmp_path):
    expected = {
        "evaluate": {"loss", "latent", "information", "pairs", "reconstructions", "axes", "probes"},
        "sample": {"samples", "nearest"},
        "traverse": {"traverse", "plane", "plane_scatter", "between"},
        "umap": {"umap", "mosaic", "montage"},
        "encode": set(),
        "neighbors": {"neighbors"},
        "anomalies": {"anomalies"},
        "export": set(),
        "explore": set(),
        "compare": {"samples", "loss"},
    }
    if model == "fancy_cvae":
        expected["evaluate"] |= {"predicted_redshift", "condition_audit"}
        expected["traverse"].add("condition")
    if model != "ae":
        expected["compare"].add("rate_distortion")
    overrides = {
        "evaluate": ["bootstrap=100", "samples=60", "condition_grid=3"],
        "sample": ["n=4", "nearest=true"],
        "traverse": ["steps=3", "axes=[0,2]", "from=G010", "to=G020"],
        "umap": ["n_epochs=5", "grid=4"],
        "encode": ["add=[scores,morphology,neighbors,anomaly]", "shards=2"],
        "neighbors": ["id=G010", "n=3", "invariant=true"],
        "anomalies": ["n=3"],
        "export": ["zip=true"],
        "explore": ["umap=false", "thumbnails=10"],
        "compare": ["n=4"],
    }
    for command, figures in expected.items():
        folder = tmp_path / command
        run = f"{'runs' if command == 'compare' else 'run'}={trained(model)}"
        status, out, err = galvae(command, run, f"hydra.run.dir={folder}", *overrides[command])
        assert status == 0, err
        assert out.splitlines()[-1] == str(folder)
        assert {path.stem for path in folder.glob("*.png")} == figures


@pytest.mark.slow
def test_every_command_takes_a_run_of_one_latent_and_no_classes(galvae, tmp_path):
    """Two channels, images that are not square, a single latent dimension, no information on the galaxies."""
    np.save(tmp_path / "images.npy", ellipses(40, 16, bands=2)[:, :, :12])
    overrides = [
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={tmp_path / 'images.npy'}",
        *SMALL,
        "latent_dim=1",
    ]
    assert galvae("train", *overrides)[0] == 0
    for command, more in (
        ("evaluate", ["bootstrap=100", "samples=60"]),
        ("sample", ["n=3", "nearest=true"]),
        ("traverse", ["at=3", "from=1", "to=2"]),
        ("umap", ["n_epochs=5", "grid=3", "n_neighbors=5"]),
        ("encode", ["add=[scores,neighbors,anomaly,plane]", "name=own"]),
        ("neighbors", ["id=3", "metric=mahalanobis"]),
        ("anomalies", []),
        ("export", []),
        ("explore", ["umap=false"]),
    ):
        status, out, err = galvae(command, "run=latest", *more)
        assert status == 0, err
        folder = "encode/own" if command == "encode" else command
        assert out.splitlines()[-1].endswith(f"files_vae_z1/{folder}")
    status, out, err = galvae("compare", "runs=outputs/train/latest", "n=4")
    assert status == 0, err


@pytest.mark.slow
def test_conditions_of_any_name(galvae, tmp_path):
    """Two conditions whose names cannot be file names, and neither of which is a redshift."""
    values = np.linspace(8, 11, 40)
    np.savez(tmp_path / "d.npz", images=ellipses(40, 16, bands=1))
    rows = "".join(f"{value},{value}\n" for value in values)
    (tmp_path / "t.csv").write_text(f"log(M/Msun),size\n{rows}")
    data = [
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={tmp_path / 'd.npz'}",
        f"dataset.table={tmp_path / 't.csv'}",
    ]
    condition = "dataset.condition=['log(M/Msun)','size']"
    status, _, err = galvae("train", *data, condition, *SMALL, "model=fancy_cvae", "latent_dim=2")
    assert status == 0, err
    status, out, err = galvae(
        "evaluate", "run=latest", "cards=[conditions]", f"hydra.run.dir={tmp_path / 'e'}"
    )
    assert status == 0, err
    names = {path.name for path in (tmp_path / "e").glob("predicted_*")}
    assert names == {"predicted_log(M_Msun).png", "predicted_size.png"}
    assert out.index("predicted log(M/Msun)") < out.index("predicted size")
    assert "sigma_nmad" not in out
    overrides = ["n=3", "condition=[9,10]", "format=svg", f"hydra.run.dir={tmp_path / 's'}"]
    status, _, err = galvae("sample", "run=latest", *overrides)
    assert status == 0, err
    assert "log(M/Msun) = 9" in (tmp_path / "s" / "samples.svg").read_text()


@pytest.mark.slow
def test_nearest_galaxies_of_a_dataset_that_is_gone_leave_nothing(galvae, small_files, tmp_path):
    assert galvae("train", *small_files, "hydra.run.dir=run")[0] == 0
    (tmp_path / "galaxies.npy").unlink()
    status, _, err = galvae("sample", "run=run", "n=2", "nearest=true")
    assert status == 2, err
    assert not (tmp_path / "run" / "sample").exists()
