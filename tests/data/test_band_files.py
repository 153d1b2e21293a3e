"""One file per band: galaxies of the right bands, by a pattern or a table; never a galaxy for each file unasked."""

import numpy as np
import pytest
from astropy.io import fits
from builders.galaxies import ellipses
from PIL import Image

from galvae.data.formats.band_files import open_band_files
from galvae.data.formats.band_patterns import compiled, refuse_one_file_per_band
from galvae.data.formats.image_folder import open_folder
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError

GALAXIES = ellipses(5, 16, 3).astype("f4") / 256
IDS = ["J0001", "J0002", "x_3", "g-4", "5.5"]


@pytest.fixture
def write(tmp_path):
    """Writes each band of each galaxy as FITS, its lowest row first."""

    def build(pattern="{id}_{band}.fits", bands="gri", galaxies=GALAXIES, folder="images"):
        for name, galaxy in zip(IDS, galaxies, strict=True):
            for number, band in enumerate(bands):
                path = tmp_path / folder / pattern.format(id=name, band=band)
                path.parent.mkdir(parents=True, exist_ok=True)
                fits.writeto(path, galaxy[::-1, :, number])
        return tmp_path / folder

    return build


@pytest.mark.parametrize(
    "pattern",
    [
        "{id}_{band}.fits",
        "{band}/{id}.fits",
        "{id}/{band}.fit",
        "{id}/{id}-{band}.fits",
        "hst_{band}_{id}_drz.fits",
    ],
)
def test_bands_are_stacked(config, write, pattern):
    write(pattern)
    opened = open_band_files(config("images", band_files=pattern))
    order = np.argsort(IDS)
    assert opened.names.tolist() == sorted(IDS) and opened.origin(1) == sorted(IDS)[1]
    assert opened.band_names == ["g", "i", "r"] and opened.bottom_up
    np.testing.assert_array_equal(opened.images[:], GALAXIES[order][..., [0, 2, 1]])
    assert opened.notes[1] == "one galaxy of 3 files, bands in this order: g, i, r"
    chosen = open_band_files(config("images", band_files=pattern, channels=["i", "g"]))
    np.testing.assert_array_equal(chosen.images[1:3], GALAXIES[order][1:3][..., [2, 0]])
    assert chosen.band_names == ["i", "g"]
    unused = f"{', '.join(sorted(pattern.format(id=name, band='r') for name in IDS)[:3])} and 2 more"
    assert chosen.warnings == [f"5 images not used by dataset.band_files: {unused}"]


def test_the_dataset_has_one_galaxy_per_id(config, write):
    write()
    data = load_dataset(config("images", band_files="{id}_{band}.fits", channels=["i", "r", "g"]))
    assert data.catalogue["id"].tolist() == sorted(IDS) and data.band_names == ["i", "r", "g"]
    np.testing.assert_array_equal(data.images[:], GALAXIES[np.argsort(IDS)][..., ::-1])


def test_the_ids_keep_their_folders(config, write, tmp_path):
    write(folder="images/train/spiral")
    opened = open_band_files(config("images", band_files="{id}_{band}.fits"))
    assert opened.names.tolist() == [f"train/spiral/{name}" for name in sorted(IDS)]
    data = load_dataset(config("images", band_files="train/{id}_{band}.fits", labels="folder"))
    assert data.class_names == ["spiral"]


def test_a_pattern_without_band_reads_files_as_galaxies(config, write):
    write()
    opened = open_band_files(config("images", band_files="{id}_g.fits"))
    assert opened.names.tolist() == sorted(IDS) and opened.band_names == []
    np.testing.assert_array_equal(opened.images[:], GALAXIES[np.argsort(IDS)][..., :1])
    assert opened.warnings[0].startswith("10 images not used by dataset.band_files: 5.5_i.fits, 5.5_r.fits")
    assert len(open_band_files(config("images", band_files="{id}.fits")).images) == 15


def test_masks_of_each_band(config, tmp_path):
    for name in IDS:
        for number, band in enumerate("gr"):
            quality = np.zeros((8, 8), "i2")
            quality[1, number] = 1
            units = [
                fits.PrimaryHDU(),
                fits.ImageHDU(np.ones((8, 8)), name="SCI"),
                fits.ImageHDU(quality, name="DQ"),
            ]
            fits.HDUList(units).writeto(tmp_path / f"{name}_{band}.fits")
    opened = open_band_files(config("", band_files="{id}_{band}.fits", mask="DQ"))
    images, aside = opened.images.with_masks(slice(2, 4))
    assert images.shape == aside.shape == (2, 8, 8, 2)
    assert np.argwhere(aside).tolist() == [[n, 6, band, band] for n in (0, 1) for band in (0, 1)]


def _remove(folder):
    (folder / "x_3_r.fits").unlink()


def _other_size(folder):
    fits.writeto(folder / "x_3_r.fits", np.ones((15, 15), "f4"), overwrite=True)


def _other_type(folder):
    fits.writeto(folder / "x_3_r.fits", np.ones((16, 16), "f8"), overwrite=True)


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        (_remove, {}, r"a file of each of the bands g, i, r for x_3, received none of r; dataset\.channels="),
        (_other_size, {}, r"x_3_r\.fits: expected 16x16 pixels as in x_3_g\.fits, received 15x15$"),
        (
            _other_size,
            {"image_size": 8},
            r"x_3_r\.fits: expected 16x16 pixels as in x_3_g\.fits, received 15x15$",
        ),
        (_other_type, {}, r"x_3_r\.fits: expected float32 pixels as in x_3_g\.fits, received float64$"),
        (
            None,
            {"band_files": "{id}_{band}.fit"},
            r"expected files named \{id\}_\{band\}\.fit, received 5\.5_g\.fits",
        ),
        (None, {"band_files": "{band}.fits"}, r"dataset\.band_files: expected a pattern with \{id\}"),
        (None, {"band_files": "{id}{band}.fits"}, r"text between them"),
        (None, {"band_files": "{ID}_{band}.fits"}, r"expected a pattern with \{id\}"),
        (None, {"band_files": "{id}_{band}"}, r"the ending of an image"),
        (
            None,
            {"channels": ["g", "z"]},
            r"dataset\.channels: expected different bands of g, i, r, received \['g'",
        ),
        (None, {"channels": ["g", "g"]}, r"dataset\.channels: expected different bands"),
        (None, {"hdu": [0, 1]}, r"dataset\.hdu: expected one extension, since each band has a file"),
        (None, {"path": "images/x_3_g.fits"}, r"dataset\.band_files: expected dataset\.path to be a folder"),
        (None, {"band_files": ["g"]}, r"dataset\.band_files: expected dataset\.table="),
    ],
)
def test_what_is_refused(config, write, tmp_path, change, settings, words):
    folder = write()
    if change:
        change(folder)
    settings = {"path": "images", "band_files": "{id}_{band}.fits", **settings}
    with pytest.raises(GalvaeError, match=words):
        open_band_files(config(settings.pop("path"), **settings)).images[:]


def test_weights_are_no_bands(config, write):
    write(bands=["g", "r", "wht"])
    with pytest.raises(
        GalvaeError, match=r"expected bands, received wht among them; dataset\.channels=\[g,r\] reads"
    ):
        open_band_files(config("images", band_files="{id}_{band}.fits"))
    opened = open_band_files(config("images", band_files="{id}_{band}.fits", channels=["g", "r"]))
    np.testing.assert_array_equal(opened.images[:], GALAXIES[np.argsort(IDS)][..., :2])


def test_a_table_with_a_column_per_band(config, write):
    folder = write()
    rows = [3, 0, 4, 1]
    columns = {
        "id": np.arange(4),
        "file_r": np.array([f"old/place/{IDS[row]}_r.fits" for row in rows]),
        "file_g": np.array([f" {IDS[row]}_g.fits" for row in rows]),
        "note": np.array(list("abcd")),
    }
    (folder / "other").mkdir()
    fits.writeto(folder / "other" / "7.fits", GALAXIES[0, ..., 0])
    opened = open_band_files(config("images", band_files=["file_r", "file_g"]), columns)
    np.testing.assert_array_equal(opened.images[:], GALAXIES[rows][..., [1, 0]])
    assert opened.band_names == ["file_r", "file_g"] and opened.origin(2) == "row 2 of the table (5.5_r.fits)"
    assert opened.warnings[0].startswith("8 images not used by dataset.band_files: ")
    chosen = open_band_files(config("images", band_files=["file_r", "file_g"], channels=["file_g"]), columns)
    np.testing.assert_array_equal(chosen.images[:], GALAXIES[rows][..., :1])
    for column, row, entry, words in (
        (
            "file_g",
            2,
            "lost.fits",
            r"row 2 of the table: expected one file lost\.fits in .* for file_g, received none",
        ),
        (
            "file_g",
            2,
            "tile/7.fits",
            r"row 2 of the table: expected one file tile/7\.fits in .* for file_g, received none",
        ),
        (
            "file_g",
            2,
            "",
            r"row 2 of the table: expected one file in each column .* for file_g, received none",
        ),
        (
            "file_g",
            2,
            "5.5_r.fits",
            r"for 5\.5_r\.fits, received row 2, file_r and row 2, file_g of the table",
        ),
        (
            "file_g",
            2,
            "J0001_g.fits",
            r"for J0001_g\.fits, received row 1, file_g and row 2, file_g of the table",
        ),
    ):
        changed = {**columns, column: columns[column].astype("U30")}
        changed[column][row] = entry
        with pytest.raises(GalvaeError, match=words):
            open_band_files(config("images", band_files=["file_r", "file_g"]), changed)
    for names in (["file_r", "file_z"], ["file_r", "id"]):
        with pytest.raises(
            GalvaeError, match=r"expected columns of file names, received (file_z|id); the table has"
        ):
            open_band_files(config("images", band_files=names), columns)
    (folder / "more").mkdir()
    fits.writeto(folder / "more" / "5.5_r.fits", GALAXIES[0, ..., 0])
    columns["file_r"] = np.char.replace(columns["file_r"], "old", "new")
    with pytest.raises(GalvaeError, match=r"row 2 of the table: .* received 5\.5_r\.fits, more/5\.5_r\.fits"):
        open_band_files(config("images", band_files=["file_r", "file_g"]), columns)


@pytest.mark.parametrize(
    ("pattern", "bands", "proposed"),
    [
        ("{id}_{band}.fits", "gri", "{id}_{band}.fits"),
        ("{id}-{band}.fits", ["F606W", "F814W"], "{id}-{band}.fits"),
        ("{id}.{band}.fits", "gz", "{id}.{band}.fits"),
        ("{id}_sdss_{band}.fits", "ugriz", "{id}_{band}.fits"),
        ("{band}/{id}.fits", "gr", "{band}/{id}.fits"),
        ("{id}/{band}.fits", "gr", "{id}/{band}.fits"),
        ("hst_{band}_{id}.fits", ["f606w", "f814w"], "hst_{band}_{id}.fits"),
        ("{id}_{band}_drz.fits", ["f606w", "f814w"], "{id}_{band}_drz.fits"),
        ("{id}_{band}.fits", ["sci", "wht"], "{id}_sci.fits"),
        ("{id}_{band}.fits", ["SCI", "WHT"], "{id}_SCI.fits"),
        ("{band}/{id}.fits", ["image", "mask"], "image/{id}.fits"),
    ],
)
def test_folders_that_look_like_one_file_per_band_are_refused(pattern, bands, proposed):
    ids = ["a1", "a2", "b3", "c4", "c5"]
    names = [pattern.format(id=name, band=band) for name in ids for band in bands]
    with pytest.raises(
        GalvaeError, match=r"dataset\.path: images: expected one file per galaxy, received names"
    ) as caught:
        refuse_one_file_per_band("images", names)
    assert f"dataset.band_files='{proposed}'" in str(caught.value)
    assert "dataset.band_files='{id}.fits' takes each file for a galaxy" in str(caught.value)
    matches = [compiled(proposed).fullmatch(name) for name in names]
    assert sorted({match["id"].removesuffix("_sdss") for match in matches if match}) == ids


def test_a_few_missing_or_more_files_do_not_hide_bands():
    names = [f"a{number}_{band}.fits" for number in range(50) for band in "gr"]
    for others in (names[1:], [*names, "preview.fits"], [*names, "a3_rgb.fits"]):
        with pytest.raises(GalvaeError, match="names that differ only in"):
            refuse_one_file_per_band("images", others)
    with pytest.raises(
        GalvaeError, match=r"differ only in nothing, wht \(a0\.fits, a0_wht\.fits\); .* elsewhere"
    ):
        refuse_one_file_per_band(
            "images", [f"a{number}{kind}.fits" for number in range(9) for kind in ("", "_wht")]
        )


@pytest.mark.parametrize("other", ["a7_wht.fits", "a7.weight.fits", "a7_MASK.fits", "rms/a7.fits"])
def test_the_weights_of_a_single_galaxy_are_no_galaxy(other):
    with pytest.raises(GalvaeError, match=r"expected one file per galaxy, .*a7\.fits"):
        refuse_one_file_per_band("images", [*(f"a{number}.fits" for number in range(500)), other])
    refuse_one_file_per_band("images", [*(f"b{number}.fits" for number in range(500)), other])


@pytest.mark.parametrize(
    "names",
    [
        ["a_1.png", "a_2.png", "b_1.png", "b_2.png"],
        ["NGC1_r.png", "NGC2_g.png", "NGC3_r.png"],
        ["spiral/1.png", "spiral/2.png", "elliptical/1.png", "elliptical/2.png"],
        ["train/b/1.png", "train/a/1.png", "val/b/1.png", "val/a/1.png"],
        [f"img_{number}.png" for number in range(9)],
        [f"{number}_sci.fits" for number in range(9)],
    ],
)
def test_other_names_are_galaxies(names):
    refuse_one_file_per_band("images", names)


def test_a_folder_of_bands_is_refused_as_it_is(config, write, tmp_path):
    write()
    with pytest.raises(
        GalvaeError, match=r"differ only in g, i, r .*dataset\.band_files='\{id\}_\{band\}\.fits'"
    ):
        open_folder(config("images"))
    for name in ("a_g.png", "a_r.png"):
        (tmp_path / "png").mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / "png" / name)
    with pytest.raises(GalvaeError, match=r"'\{id\}_\{band\}\.png'"):
        open_folder(config("png"))
