import json
import shutil

import h5py
import numpy as np
import pytest
from astropy.table import Table
from builders.configs import SMALL, composed
from builders.galaxies import ellipses

from galvae.analysis.measured import measure_galaxies
from galvae.commands.umap import embed
from galvae.config.analysis import UmapConfig
from galvae.config.check import from_dict
from galvae.errors import GalvaeError
from galvae.latent import inference
from galvae.latent.plane_grid import inside
from galvae.runs.trained_run import TrainedRun

QUICK = ("n_neighbors=5", "n_epochs=30", "grid=5")
FILES = {
    "embedding.npz",
    "montage.npz",
    "montage.png",
    "mosaic.npz",
    "mosaic.png",
    "umap.ecsv",
    "umap.json",
    "umap.log",
    "umap.png",
}


def write_galaxies(path):
    """60 galaxies in vae-project's layout of COSMOS."""
    with h5py.File(path, "w") as file:
        file["images"] = (ellipses(60, 18, bands=1)[..., 0] / 255).astype(np.float32)
        file["redshifts"] = np.linspace(0.1, 2, 60)


@pytest.fixture
def embedded(galvae, tmp_path_factory, tmp_path, request):
    """A run on 60 galaxies with redshifts and its first embedding, made once for each model and copied."""
    model = getattr(request, "param", "vae")
    kept = tmp_path_factory.getbasetemp() / f"umap_run_{model}"
    if not kept.exists():
        data = tmp_path_factory.mktemp("data") / "cosmos.h5"
        write_galaxies(data)
        overrides = ["dataset=cosmos", f"dataset.path={data}", *SMALL, f"model={model}", "latent_dim=3"]
        status, _, err = galvae("train", *overrides, "epochs=6", f"hydra.run.dir={kept}")
        assert status == 0, err
        status, _, err = galvae("umap", f"run={kept}", *QUICK)
        assert status == 0, err
    shutil.copytree(kept, tmp_path / "run")
    return tmp_path / "run"


def read(path):
    with np.load(path) as stored:
        return dict(stored)


def test_what_it_leaves_and_says(galvae, embedded):
    shutil.rmtree(embedded / "umap")
    status, out, err = galvae("umap", f"run={embedded}", *QUICK)
    assert status == 0, err
    folder = embedded / "umap"
    assert out.splitlines()[-1] == str(folder)
    assert err.startswith("fitted UMAP to 60 codes of 3 dimensions in ")
    assert {path.name for path in folder.iterdir()} == FILES
    data = TrainedRun.open(embedded).dataset
    table = Table.read(folder / "umap.ecsv")
    np.testing.assert_array_equal(table["index"], data.split("all"))
    kept = read(folder / "embedding.npz")
    np.testing.assert_allclose(np.column_stack([table["umap_x"], table["umap_y"]]), kept["plane"], rtol=1e-5)
    np.testing.assert_allclose(
        np.column_stack([table[f"code_{n}"] for n in range(3)]), kept["codes"], rtol=1e-5
    )
    np.testing.assert_array_equal(table["nearest_2"], data.ids[kept["nearest"][:, 1]])
    np.testing.assert_allclose(table["redshift"], np.linspace(0.1, 2, 60), rtol=1e-5)

    montage, summary = read(folder / "montage.npz"), json.loads((folder / "umap.json").read_text())
    model = TrainedRun.open(embedded).model
    np.testing.assert_allclose(montage["images"], model.decode(montage["codes"]), atol=1e-5)
    apart = np.linalg.norm(montage["codes"][:, None] - kept["codes"], axis=-1).min(axis=1)
    np.testing.assert_allclose(montage["distance"], apart, atol=1e-5)
    far = (apart > montage["threshold"]) | (montage["distance_in_plane"] > montage["threshold_in_plane"])
    np.testing.assert_array_equal(montage["faded"], far)
    assert (summary["places"], summary["faded"]) == (len(far), far.sum())
    assert (summary["galaxies"], summary["galaxies_in_box"], summary["reused"]) == (60, None, None)

    mosaic = read(folder / "mosaic.npz")
    shown = mosaic["indices"][mosaic["indices"] >= 0]
    np.testing.assert_allclose(mosaic["images"], data.to_unit(data.images[shown]), atol=1e-6)


def test_a_second_call_lays_nothing_out_and_encodes_nothing(galvae, embedded, monkeypatch):
    import umap.umap_

    layout, epochs = umap.umap_.optimize_layout_euclidean, []

    def counted(*arguments, **named):
        epochs.append(arguments[4])
        return layout(*arguments, **named)

    def refused(*arguments):
        raise AssertionError("encoded again")

    monkeypatch.setattr(umap.umap_, "optimize_layout_euclidean", counted)
    monkeypatch.setattr(inference, "encode_dataset", refused)
    status, _, err = galvae("umap", f"run={embedded}", *QUICK, "colour=redshift", "format=pdf")
    assert status == 0, err
    assert f"reusing the embedding {embedded / 'umap' / 'embedding.npz'}" in err
    assert set(epochs) == {0}
    first, second = (read(embedded / name / "embedding.npz") for name in ("umap", "umap-2"))
    assert all((first[name] == second[name]).all() for name in first)
    summary = json.loads((embedded / "umap-2" / "umap.json").read_text())
    assert summary["reused"] == str(embedded / "umap" / "embedding.npz")
    assert (embedded / "umap-2" / "umap.pdf").read_bytes().startswith(b"%PDF")
    first, second = (read(embedded / name / "montage.npz") for name in ("umap", "umap-2"))
    np.testing.assert_array_equal(first["codes"], second["codes"])


@pytest.mark.slow
def test_other_settings_and_a_damaged_file_are_fitted_anew(galvae, embedded):
    assert "fitted UMAP to 60 codes" in galvae("umap", f"run={embedded}", *QUICK, "seed=1")[2]
    assert "fitted UMAP to 48 codes" in galvae("umap", f"run={embedded}", *QUICK, "split=train")[2]
    shutil.rmtree(embedded / "umap-2")
    shutil.rmtree(embedded / "umap-3")
    path = embedded / "umap" / "embedding.npz"
    path.write_bytes(path.read_bytes()[:1000])
    status, _, err = galvae("umap", f"run={embedded}", *QUICK)
    assert status == 0
    first, second, *_ = err.splitlines()
    assert first.startswith(f"{path} is damaged and is skipped (")
    assert second.startswith("fitted UMAP to 60 codes")


def test_a_box_lists_and_decodes_its_galaxies(galvae, embedded):
    plane = read(embedded / "umap" / "embedding.npz")["plane"]
    box = [round(float(edge), 3) for edge in np.quantile(plane, [0.2, 0.8], axis=0).T.ravel()]
    words = f"box={box}".replace(" ", ""), "select=umap_x>0 & r50<4 | redshift>1.9"
    status, _, err = galvae("umap", f"run={embedded}", *QUICK, *words)
    assert status == 0, err
    x, y = plane.T
    chosen = (x >= box[0]) & (x <= box[1]) & (y >= box[2]) & (y <= box[3])
    assert 0 < chosen.sum() < 60
    np.testing.assert_array_equal(
        Table.read(embedded / "umap-2" / "box.ecsv")["index"], np.flatnonzero(chosen)
    )
    assert f"{chosen.sum()} of 60 galaxies lie in the box" in err
    points = read(embedded / "umap-2" / "montage.npz")["points"]
    side = max(box[1] - box[0], box[3] - box[2]) / 5
    assert inside(points, np.add(box, [-side, side, -side, side])).all()
    # Selected galaxies are those of the whole plane. A measure is in the table only if it is asked for.
    assert "r50" not in Table.read(embedded / "umap" / "umap.ecsv").colnames
    table, selected = (Table.read(embedded / "umap-2" / f"{name}.ecsv") for name in ("umap", "selected"))
    run = TrainedRun.open(embedded)
    r50 = measure_galaxies(run.dataset, run.dataset.split("all")).values["r50"]
    chosen = (x > 0) & (r50 < 4) | (np.linspace(0.1, 2, 60) > 1.9)
    assert 3 < chosen.sum() < 60 and list(selected["index"]) == np.flatnonzero(chosen).tolist()
    assert selected.colnames == table.colnames
    assert f"select: {chosen.sum()} of 60 galaxies satisfy umap_x>0 & r50<4 | redshift>1.9: " in err


def test_a_wrong_name_costs_no_embedding(embedded, tmp_path):
    shutil.rmtree(embedded / "umap")
    config = from_dict(UmapConfig, composed("umap", f"run={embedded}", "select='umapx>0'"))
    with pytest.raises(
        GalvaeError, match=r"select: no column 'umapx'; expected one of index, .*mean umap_x\?"
    ):
        embed(TrainedRun.open(embedded), config, tmp_path, None)


def test_a_box_without_galaxies_says_where_they_are_and_keeps_the_embedding(galvae, embedded):
    shutil.rmtree(embedded / "umap")
    status, _, err = galvae("umap", f"run={embedded}", *QUICK, "box=[1000,1001,0,1]")
    assert status == 2
    plane = read(embedded / "umap" / "embedding.npz")["plane"]
    (low_x, low_y), (high_x, high_y) = np.round(plane.min(axis=0), 2), np.round(plane.max(axis=0), 2)
    span = [float(edge) for edge in (low_x, high_x, low_y, high_y)]
    shown = err.splitlines()[-1]
    assert shown.startswith("galvae: box: expected a region with galaxies, which lie in [")
    assert shown.endswith("received [1000.0, 1001.0, 0.0, 1.0]")
    np.testing.assert_allclose(
        json.loads(shown.partition("lie in ")[2].partition("]")[0] + "]"), span, atol=0.01
    )
    assert "reusing the embedding" in galvae("umap", f"run={embedded}", *QUICK)[2]


def test_points_are_decoded_and_far_ones_are_faded(galvae, embedded):
    plane = read(embedded / "umap" / "embedding.npz")["plane"]
    points = [[float(value) for value in plane[3]], [500.0, 500.0]]
    status, _, err = galvae("umap", f"run={embedded}", *QUICK, f"points={points}".replace(" ", ""))
    assert status == 0, err
    assert "1 of 2 positions have no real galaxy nearby and are faded" in err
    montage = read(embedded / "umap-2" / "montage.npz")
    np.testing.assert_allclose(montage["points"], points)
    np.testing.assert_array_equal(montage["faded"], [False, True])


@pytest.mark.parametrize("embedded", ["cvae2"], indirect=True)
def test_a_conditional_model_decodes_with_the_condition_of_the_nearest_galaxy(galvae, embedded):
    montage, kept = read(embedded / "umap" / "montage.npz"), read(embedded / "umap" / "embedding.npz")
    run = TrainedRun.open(embedded)
    nearest = np.linalg.norm(montage["codes"][:, None] - kept["codes"], axis=-1).argmin(axis=1)
    condition = run.dataset.condition[kept["indices"][nearest]]
    np.testing.assert_array_equal(montage["condition"], condition)
    model = run.model
    np.testing.assert_allclose(montage["images"], model.decode(montage["codes"], condition), atol=1e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n_neighbors=60", "n_neighbors: expected fewer than the 60 galaxies that are fitted, received 60"),
        ("colour=nothing", "colour: expected redshift"),
        ("box=[1,0,0,1]", "box: expected [x0,x1,y0,y1] with x0 < x1 and y0 < y1"),
        ("metric=cosine", "metric: expected "),
        ("split=others", "split: expected "),
    ],
)
def test_mistakes_are_one_line_before_anything_is_encoded(override, message, galvae, embedded):
    status, _, err = galvae("umap", f"run={embedded}", *QUICK, override)
    assert status == 2
    assert err.splitlines()[-1].startswith(f"galvae: {message}")
    assert len(err.splitlines()) == 1
    assert not (embedded / "umap-2").exists()


@pytest.mark.slow
def test_data_without_classes_or_redshifts_and_one_latent_dimension(galvae, small_files, tmp_path):
    where = tmp_path / "run"
    assert galvae("train", *small_files, "latent_dim=1", f"hydra.run.dir={where}")[0] == 0
    status, _, err = galvae("umap", f"run={where}", *QUICK)
    assert status == 0, err
    assert {path.name for path in (where / "umap").iterdir()} == FILES
    status, _, err = galvae("umap", "-m", f"run={where}", *QUICK, "points=[[0,1]],[[2,3]]")
    assert status == 0, err
    assert read(where / "umap-2" / "1" / "montage.npz")["points"].tolist() == [[2.0, 3.0]]


def test_a_box_without_galaxies_leaves_nothing_where_the_embedding_is_kept_already(galvae, embedded):
    status, _, err = galvae("umap", f"run={embedded}", *QUICK, "box=[1000,1001,0,1]")
    assert status == 2, err
    assert (embedded / "umap").exists()
    assert not (embedded / "umap-2" / "embedding.npz").exists()
