"""What a run keeps of its galaxies, and what commands do with it when the images have gone."""

import shutil

import numpy as np
import pytest
from builders.command_line import run_command
from builders.galaxies import dataset
from safetensors.numpy import load_file, save_file

from galvae.errors import GalvaeError
from galvae.runs import galaxies, stored_run
from galvae.runs.galaxies import store_galaxies
from galvae.runs.trained_run import TrainedRun
from galvae.system.safe_read import read_weights, weights_metadata


@pytest.fixture
def alone(trained, tmp_path, monkeypatch):
    """Copies the run of a model, whose dataset cannot be found afterwards."""

    def copy(model):
        path = shutil.copytree(trained(model), tmp_path / model)
        monkeypatch.setattr(stored_run, "_exists", lambda path: False)
        return path

    return copy


@pytest.mark.parametrize("model", ["vae", "cvae2"])
def test_a_run_keeps_all_of_its_galaxies_but_their_images(model, trained):
    run = TrainedRun.open(trained(model))
    kept, dataset = run.galaxies, run.dataset
    assert kept is not dataset and len(kept) == len(dataset) and kept.image_shape == dataset.image_shape
    for name in ("name", "pixel_range", "stretch", "band_names", "rgb", "class_names"):
        assert getattr(kept, name) == getattr(dataset, name)
    for name in ("condition_names", "condition_units", "catalogue_units", "column_names"):
        assert getattr(kept, name) == getattr(dataset, name)
    assert kept.labels.dtype == dataset.labels.dtype and kept.ids.dtype.kind == "U"
    for name in ("labels", "condition", "ids"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(dataset, name))
    assert {*kept.catalogue} == {"id", *dataset.catalogue}
    for name, values in dataset.catalogue.items():
        np.testing.assert_array_equal(kept.catalogue[name], values)
    for name in ("train", "val", "test", "all"):
        np.testing.assert_array_equal(kept.split(name), dataset.split(name))


def test_texts_are_kept_whatever_they_are_and_however_many(tmp_path, monkeypatch):
    monkeypatch.setattr(galaxies, "ROWS", 4)
    ids, kinds = (
        np.array([f"G{number}" for number in range(11)]),
        np.array([*"abcdefgh", "", "Ω Cen", "ab\0c"]),
    )
    data = dataset(
        11, catalogue={"id": ids, "kind": kinds, "none": np.full(11, "")}, splits={"train": np.arange(11)}
    )
    store_galaxies(tmp_path, data, "digest")
    stored = read_weights(tmp_path / "galaxies.safetensors")
    assert {name: values.shape for name, values in stored.items()} == {
        "text.catalogue.id": (11, 3),
        "text.catalogue.kind": (11, 6),  # bytes of the longest, in UTF-8
        "text.catalogue.none": (11, 1),
    }
    for name, values in data.catalogue.items():
        texts = stored[f"text.catalogue.{name}"]
        assert galaxies._decoded_texts(texts.view(f"S{texts.shape[1]}")[:, 0]).tolist() == values.tolist()


def test_codes_and_samples_need_no_images(trained, alone, caplog):
    run = TrainedRun.open(trained("cvae2"))
    expected = run.codes("all"), run.sample(3, seed=1), run.at_condition([0.5])
    run = TrainedRun.open(alone("cvae2"))
    np.testing.assert_array_equal(run.codes("all").mean, expected[0].mean)
    val = run.galaxies.split("val")
    np.testing.assert_array_equal(run.codes("val").log_variance, expected[0].at(val).log_variance)
    np.testing.assert_array_equal(run.sample(3, seed=1), expected[1])
    np.testing.assert_array_equal(run.at_condition([0.5]), expected[2])
    assert not caplog.records
    assert run.images_missing and run.images_missing
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "without the images of the run's galaxies"
    ]
    with pytest.raises(GalvaeError, match="does not exist; expected the dataset that .* was trained on"):
        _ = run.dataset
    moved = TrainedRun.open(run.path, dataset={"path": "/nowhere.h5"})
    with pytest.raises(GalvaeError, match=r"dataset.path: /nowhere.h5: does not exist"):
        _ = moved.images_missing


@pytest.mark.slow
def test_galaxies_that_do_not_fit_the_run_are_not_taken(trained, tmp_path, caplog):
    path = shutil.copytree(trained("cvae2"), tmp_path / "run")
    file = path / "galaxies.safetensors"
    arrays, facts = load_file(file), weights_metadata(file)

    def altered(**changes):
        save_file({**arrays, **changes}, file, facts)
        caplog.clear()
        run = TrainedRun.open(path)
        assert run.galaxies is run.dataset
        return caplog.text

    assert "labels int64 from 0 to 9" in altered(labels=np.arange(60) % 10)
    assert "59 values of labels for 60 galaxies" in altered(labels=arrays["labels"][:59])
    assert "conditions of shape (60, 2)" in altered(condition=np.zeros((60, 2), np.float32))
    save_file(arrays, file, {**facts, "identity": '{"dataset": "another"}'})
    assert TrainedRun.open(path).galaxies.images.shape[0] == 60
    assert "received one of others" in caplog.text
    file.unlink()
    caplog.clear()
    assert TrainedRun.open(path).galaxies.images.shape[0] == 60
    assert "kept with the run" not in caplog.text


@pytest.mark.slow
def test_commands_draw_what_needs_no_images_when_these_have_gone(alone, capfd):
    path = alone("cvae2")
    galaxies = TrainedRun.open(path).galaxies
    ids = galaxies.ids[galaxies.split("val")[:2]]
    words = {
        "traverse": (f"from={ids[0]}", f"to={ids[1]}", f"at={ids[0]}"),
        "umap": ("n_epochs=20", "grid=3"),
        "sample": ("n=4",),
        "prior": ("prior=gaussian",),
        "explore": (),
    }
    for command, keys in words.items():
        assert run_command(command, f"run={path}", *keys) == 0
        assert "without the images of the run's galaxies: dataset.path" in capfd.readouterr().err or (
            command == "sample"
        )
    assert run_command("compare", f"runs=[{path}]", f"hydra.run.dir={path.parent / 'compared'}") == 0
    assert {"umap.ecsv", "umap.png", "montage.png"} <= {file.name for file in (path / "umap").iterdir()}
    assert not list((path / "umap").glob("mosaic*"))
    assert {"traverse.png", "between.png", "condition.png"} <= {
        file.name for file in (path / "traverse").iterdir()
    }
    for command, keys in {"evaluate": (), "sample": ("nearest=true",)}.items():
        capfd.readouterr()
        assert run_command(command, f"run={path}", *keys) == 2
        assert "does not exist; expected the dataset that" in capfd.readouterr().err
