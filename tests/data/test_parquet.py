"""Images in Parquet files: encoded images as Hugging Face has them, and the Multimodal Universe's lists of flux."""

import contextlib
import io
import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.format_writers import pictures, write_parquet
from builders.galaxies import ellipses
from PIL import Image

from galvae.data.area_average import area_average
from galvae.data.formats import parquet_images
from galvae.data.formats.parquet import open_parquet
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError

COUNT, SIDE = 20, 24
BANDS = list("griz")
OBJIDS = 1237648720142532814 + 3 * np.arange(COUNT)  # not exact as floats
NAMES = [f"G{number}" for number in range(COUNT)]
SLICES = [slice(0, 1), slice(0, 20), slice(5, 9), slice(9, 20), slice(13, 15), slice(2, 3), slice(19, 30)]


def opened(path, **changes):
    """The open file, with keys of the configuration."""
    keys = {"images": None, "mask": None, "mask_where": "nonzero", "image_size": None}
    return open_parquet(str(path), SimpleNamespace(**{**keys, **changes}))


def refused(path, *words, **changes):
    """Asserts that reading all of a file is refused in one line with these words."""
    with pytest.raises(GalvaeError) as caught, opened(path, **changes) as file:
        file.images[0 : len(file.images)]
        if file.masks is not None:
            file.masks[0 : len(file.images)]
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(path), *words):
        assert word in message, message


def encoded(image, kind, **options):
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, kind, **options)
    return packed.getvalue()


def fluxes(bands=4, side=SIDE):
    """The galaxies as (N, C, H, W) float32."""
    return np.moveaxis(ellipses(COUNT, side, bands), 3, 1).astype(np.float32) / np.float32(255)


def universe(flux, **parts):
    """The column of images in the layout of the Multimodal Universe; `parts` are further nested lists."""
    rows = [
        {"band": BANDS[: len(stamp)], "flux": stamp.tolist(), "scale": [0.17] * len(stamp)} for stamp in flux
    ]
    for name, values in parts.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value.tolist()
    return rows


@pytest.fixture
def path(tmp_path):
    return tmp_path / "galaxies.parquet"


@pytest.mark.parametrize("rows_at_a_time", [1, 3, parquet_images.MOST_ROWS])
def test_pixels_ids_classes_and_redshifts_of_hugging_faces_layout(path, rows_at_a_time, monkeypatch):
    monkeypatch.setattr(parquet_images, "MOST_ROWS", rows_at_a_time)
    images, features = ellipses(COUNT, SIDE), {"kind": {"names": ["E", "S0", "Sb"], "_type": "ClassLabel"}}
    columns = {
        "kind": np.arange(COUNT) % 3,
        "objid": OBJIDS,
        "z": np.arange(COUNT) / 8,
        "survey": np.array(NAMES),
    }
    write_parquet(path, {"image": pictures(images, NAMES)}, features, **columns)
    with opened(path) as file:
        for rows in SLICES:
            np.testing.assert_array_equal(file.images[rows], images[rows])
        assert (file.images.shape, file.images.dtype) == (images.shape, np.uint8)
        assert file.class_names == {"kind": ["E", "S0", "Sb"]}
        for name, values in columns.items():
            np.testing.assert_array_equal(file.columns[name], values)
        assert file.columns["objid"].dtype == np.int64
        assert file.columns["image/path"].tolist() == [f"{name}.png" for name in NAMES]
        assert file.origin(7) == "row 7 of galaxies.parquet"
        assert "images from 'image' of galaxies.parquet" in file.notes[0]


def test_values_that_are_missing(path):
    table = {
        "image": pictures(ellipses(4, SIDE), NAMES[:4]),
        "objid": [OBJIDS[0], None, OBJIDS[2], OBJIDS[3]],
        "number": [1, None, 3, 4],
        "z": [0.5, None, 1.5, float("nan")],
        "name": ["a", None, "c", ""],
    }
    pq.write_table(pa.table({name: pa.array(values) for name, values in table.items()}), path)
    with opened(path) as file:
        assert file.columns["objid"].tolist() == [str(OBJIDS[0]), "", str(OBJIDS[2]), str(OBJIDS[3])]
        np.testing.assert_array_equal(file.columns["number"], [1, np.nan, 3, 4])
        np.testing.assert_array_equal(file.columns["z"], [0.5, np.nan, 1.5, np.nan])
        assert file.columns["name"].tolist() == ["a", "", "c", ""]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_deflate"})],
)
def test_formats_that_lose_nothing(path, kind, options):
    images = ellipses(COUNT, SIDE)
    pq.write_table(pa.table({"picture": [encoded(image, kind, **options) for image in images]}), path)
    with opened(path) as file:
        np.testing.assert_array_equal(file.images[:], images)


def test_jpeg_is_close(path):
    images = ellipses(COUNT, SIDE)
    pq.write_table(
        pa.table({"a": [encoded(image, "JPEG", quality=95, subsampling=0) for image in images]}), path
    )
    with opened(path) as file:
        assert np.abs(file.images[:].astype(float) - images).mean() < 4


def test_16_bits_are_kept(path):
    images = ellipses(COUNT, SIDE, 1).astype(np.uint16) * 257
    pq.write_table(pa.table({"a": [encoded(image[..., 0], "PNG") for image in images]}), path)
    with opened(path) as file:
        assert file.images.dtype == np.uint16
        np.testing.assert_array_equal(file.images[:], images)


def test_of_two_columns_of_images_one_is_named(path):
    images, masks = ellipses(COUNT, SIDE), ellipses(COUNT, SIDE, 1, seed=1)[..., 0] // 200
    stamps = [encoded(mask, "PNG") for mask in masks]
    pq.write_table(pa.table({"rgb": pictures(images, NAMES), "mask": stamps}), path)
    refused(path, "dataset.images: ", "(rgb, mask), received null")
    refused(path, "dataset.images: ", "(rgb, mask), received blue", images="blue")
    with opened(path, images="rgb") as file:
        np.testing.assert_array_equal(file.images[:], images)
        assert "mask" not in file.columns
    for where, aside in (("nonzero", masks > 0), ("zero", masks == 0)):
        with opened(path, mask="mask", mask_where=where) as file:
            np.testing.assert_array_equal(file.images[:], images)
            np.testing.assert_array_equal(file.masks[3:9][..., 0], aside[3:9])
    refused(path, "dataset.mask: ", "(mask), received 'weight'", images="rgb", mask="weight")


def test_images_of_several_sizes_need_one_to_which_they_are_brought(path):
    images = [ellipses(1, side, seed=side)[0] for side in (48, 24, 36, 24, 48)]
    pq.write_table(pa.table({"image": [encoded(image, "PNG") for image in images]}), path)
    refused(path, "dataset.image_size: row 1 of ", "48x48 pixels as in row 0, received 24x24")
    with opened(path, image_size=12) as file:
        assert file.images.shape == (5, 12, 12, 3)
        expected = np.stack([area_average(image[None], 12)[0] for image in images])
        np.testing.assert_array_equal(file.images[:], expected)
    refused(path, "dataset.image_size: ", "at least 32 pixels, received 24x24", "row 1 of ", image_size=32)


def test_a_row_that_is_no_image_is_named(path):
    good = pictures(ellipses(9, SIDE), NAMES[:9])
    cases = {
        "expected the bytes of an image file, received null": {"bytes": None, "path": "G4.png"},
        "received a damaged one": {"bytes": good[4]["bytes"][:100], "path": "G4.png"},
        "expected a whole PNG": {"bytes": b"not an image", "path": "G4.png"},
        "expected 3 bands of uint8 as in row 0, received 1 of uint8": {
            "bytes": encoded(ellipses(1, SIDE, 1)[0, ..., 0], "PNG"),
            "path": "",
        },
    }
    for words, row in cases.items():
        write_parquet(path, {"image": [*good[:8], row]})
        refused(path, "row 8 of ", words)


@pytest.mark.parametrize("rows_at_a_time", [1, 3, parquet_images.MOST_ROWS])
def test_flux_and_names_of_bands_of_the_multimodal_universe(path, rows_at_a_time, monkeypatch):
    monkeypatch.setattr(parquet_images, "MOST_ROWS", rows_at_a_time)
    flux = fluxes()
    write_parquet(
        path, {"image": universe(flux)}, object_id=OBJIDS.astype(str), redshift=np.arange(COUNT) / 8
    )
    with opened(path) as file:
        for rows in SLICES:
            np.testing.assert_array_equal(file.images[rows], np.moveaxis(flux, 1, 3)[rows])
        assert file.images.shape == (COUNT, SIDE, SIDE, 4)
        assert file.band_names == BANDS
        assert file.columns["object_id"].tolist() == OBJIDS.astype(str).tolist()
        assert set(file.columns) == {"object_id", "redshift"}


def test_float32_stays_so(path):
    flux = fluxes()
    kind = pa.struct({"band": pa.list_(pa.string()), "flux": pa.list_(pa.list_(pa.list_(pa.float32())))})
    rows = [{"band": BANDS, "flux": stamp.tolist()} for stamp in flux]
    pq.write_table(pa.table({"image": pa.array(rows, kind)}), path, row_group_size=6)
    with opened(path) as file:
        assert file.images.dtype == np.float32
        np.testing.assert_array_equal(file.images[4:17], np.moveaxis(flux, 1, 3)[4:17])


@pytest.mark.parametrize(
    ("mask", "where"), [("mask", "nonzero"), ("image.mask", "nonzero"), ("ivar", "zero")]
)
def test_masks_and_inverse_variances(path, mask, where):
    flux, aside = fluxes(), fluxes() > 0.4
    ivar = np.where(aside, 0, 2.5)
    ivar[aside & (fluxes() > 0.6)] = np.nan
    write_parquet(path, {"image": universe(flux, mask=aside, ivar=ivar)})
    with opened(path, mask=mask, mask_where=where) as file:
        np.testing.assert_array_equal(file.masks[3:12], np.moveaxis(aside, 1, 3)[3:12])
        np.testing.assert_array_equal(file.images[:], np.moveaxis(flux, 1, 3))
    refused(path, "dataset.mask: ", "a part of 'image' (band, flux, ", "received 'weight'", mask="weight")


WRONG_ROWS = {
    "other bands": ({"band": list("grzi")}, "bands ['g', 'r', 'i', 'z']", "['g', 'r', 'z', 'i']"),
    "a band less": (
        {"band": list("gri"), "flux": fluxes()[11, :3].tolist()},
        "4 bands of 'flux'",
        "received 3",
    ),
    "another size": ({"flux": fluxes(side=25)[11].tolist()}, "24 rows of 'flux'", "received 25"),
    "oblong": ({"flux": fluxes()[11, :, :, :23].tolist()}, "24 pixels a row of 'flux'", "received 23"),
    "no flux": ({"flux": None}, "4 bands of 'flux'", "received 0"),
    "no pixels": ({"flux": [[[]] * SIDE] * 4}, "24 pixels a row", "received 0"),
    "a pixel without value": ({"flux": [[[None] * SIDE] * SIDE] * 4}, "expected numbers", "received null"),
}


@pytest.mark.parametrize("case", WRONG_ROWS)
def test_a_row_unlike_the_others_is_named(path, case):
    change, *words = WRONG_ROWS[case]
    rows = universe(fluxes())
    rows[11] |= change
    write_parquet(path, {"image": rows})
    refused(path, "row 11 of ", *words)


def test_a_row_without_an_image_is_named(path):
    rows = universe(fluxes())
    rows[11] = None
    write_parquet(path, {"image": rows})
    refused(path, "row 11 of ", "expected an image", "received null")


def test_bands_without_names(path):
    rows = universe(fluxes())
    for row in rows:
        row["band"] = BANDS[:3]
    write_parquet(path, {"image": rows})
    refused(path, "row 0 of ", "4 bands and 3 names")


def test_files_without_images(path):
    pq.write_table(pa.table({"id": [1, 2], "image": ["a.png", "b.png"]}), path)
    refused(path, "dataset.images: ", "expected a column of images (none), received null")
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), path)
    refused(path, "expected a row for each image, received 0 rows")


def test_more_rows_than_the_file_has_bytes(path):
    count = 10_000_000
    pq.write_table(pa.table({"image": pa.nulls(count, pa.binary())}), path, compression="zstd")
    refused(path, "expected a row for each image, received 10,000,000 rows")


def test_two_columns_of_one_name(path):
    stamps = pa.array([encoded(image, "PNG") for image in ellipses(3, SIDE)])
    pq.write_table(
        pa.Table.from_arrays([stamps, pa.array([1, 2, 3]), pa.array([3, 1, 2])], ["image", "z", "z"]), path
    )
    refused(path, "received two named 'z'")


def test_columns_that_are_neither_numbers_nor_texts_are_named(path):
    table = {
        "image": pictures(ellipses(2, SIDE), NAMES[:2]),
        "spectrum": [[1.0, 2.0], [3.0]],
        "z": [0.1, 0.2],
    }
    pq.write_table(pa.table(table), path)
    with opened(path) as file:
        assert set(file.columns) == {"z", "image/path"}
        assert "columns that are neither numbers nor short texts are not read: spectrum" in file.notes


@pytest.mark.parametrize(
    "metadata",
    [
        b"{",
        b"[]",
        b'{"info": {"features": []}}',
        b'{"info": {"features": {"z": {"_type": "ClassLabel", "names": [1]}}}}',
    ],
)
def test_damaged_metadata_give_no_class_names(path, metadata):
    table = pa.table({"image": pictures(ellipses(2, SIDE), NAMES[:2]), "z": [0, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), path)
    with opened(path) as file:
        assert file.class_names == {}


@pytest.mark.parametrize("layout", ["encoded", "flux"])
def test_truncated_and_damaged_files(path, layout):
    image = pictures(ellipses(COUNT, SIDE), NAMES) if layout == "encoded" else universe(fluxes())
    write_parquet(path, {"image": image}, objid=OBJIDS)
    whole = path.read_bytes()
    for size in (0, 3, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(path, "received a damaged one")
    generator = np.random.default_rng(0)
    for _ in range(40):  # of which some remain readable
        damaged = bytearray(whole)
        for position in generator.integers(0, len(whole), 20):
            damaged[position] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(GalvaeError), opened(path) as file:
            assert len(file.images[0 : len(file.images)]) == len(file.images)


def test_without_pyarrow_it_says_what_to_install(path, monkeypatch):
    path.write_bytes(b"PAR1")
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        GalvaeError, match=r"galaxies.parquet: expected pyarrow .* pip install -e '.\[parquet\]'"
    ):
        opened(path).__enter__()


def test_a_few_rows_at_a_time_are_in_memory(path, monkeypatch):
    monkeypatch.setattr(parquet_images, "BATCH", 500_000)
    flux = (
        np.random.default_rng(0).normal(size=(1600, 1, 64, 64)).astype(np.float32)
    )  # 26 MB in one row group
    values = pa.array(flux.reshape(-1))
    for length in (64, 64, 1):
        values = pa.ListArray.from_arrays(
            pa.array(np.arange(0, len(values) + 1, length, dtype=np.int32)), values
        )
    image = pa.StructArray.from_arrays([pa.array([["i"]] * 1600), values], ["band", "flux"])
    pq.write_table(pa.table({"image": image}), path)
    del image, values
    before, most = pa.total_allocated_bytes(), 0
    with opened(path) as file:
        for start in range(0, 1600, 20):
            np.testing.assert_array_equal(
                file.images[start : start + 20][..., 0], flux[start : start + 20, 0]
            )
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 8_000_000


def test_names_of_classes_in_the_file_are_not_those_of_a_tables_column(path, config, tmp_path):
    features = {"kind": {"names": ["E", "S0", "Sb"], "_type": "ClassLabel"}}
    kinds = np.arange(COUNT) % 3
    write_parquet(path, {"image": pictures(ellipses(COUNT, SIDE), NAMES)}, features, kind=kinds, objid=OBJIDS)
    rows = [f"{OBJIDS[row]},{2 - kinds[row]}\n" for row in reversed(range(COUNT))]
    (tmp_path / "t.csv").write_text("".join(["objid,kind\n", *rows]))
    dataset = load_dataset(config("galaxies.parquet", labels="kind"))
    assert dataset.class_names == ["E", "S0", "Sb"] and dataset.labels.tolist() == kinds.tolist()
    own = ["elliptical", "lenticular", "spiral"]
    assert load_dataset(config("galaxies.parquet", labels="kind", class_names=own)).class_names == own
    dataset = load_dataset(config("galaxies.parquet", labels="kind", table="t.csv"))
    assert dataset.class_names == ["0", "1", "2"] and dataset.labels.tolist() == (2 - kinds).tolist()


def test_ids_beside_the_names_of_files_by_which_a_table_was_joined(path, config, tmp_path):
    write_parquet(path, {"image": pictures(ellipses(COUNT, SIDE), NAMES)}, objid=OBJIDS)
    rows = [f"{NAMES[row]}.png,{row / 8}\n" for row in reversed(range(COUNT))]
    (tmp_path / "t.csv").write_text("".join(["file,z\n", *rows]))
    dataset = load_dataset(config("galaxies.parquet", condition=["z"], table="t.csv"))
    assert dataset.ids.tolist() == OBJIDS.tolist()
    np.testing.assert_array_equal(dataset.condition[:, 0], (np.arange(COUNT) / 8).astype(np.float32))
