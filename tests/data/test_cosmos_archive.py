"""The COSMOS training sample: a small archive in its layout, which galsim opens and a local server serves."""

import contextlib
import errno
import io
import shutil
import sys
import tarfile
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import galsim
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders import configs

from galvae.data.load import load_dataset
from galvae.data.readers import cosmos_archive, stamps
from galvae.data.store import download
from galvae.errors import CannotBeDone, GalvaeError

COUNT = 12
IDENTS = 1000 + 7 * np.arange(COUNT)
SHAPES = [(158, 158), (100, 100), (201, 201), (60, 90), (160, 40), (158, 300)] * 2
MEANS, VARIANCES = np.linspace(-0.01, 0.01, COUNT), np.linspace(1e-3, 1e-2, COUNT)
EXCLUDED = [2, 3, 5, 8, 9, 10]  # by one cut each, below
KEPT = np.setdiff1d(np.arange(COUNT), EXCLUDED)
ORDER = [0, 4, 6, 1, 7, 11]  # those kept: galaxies of the first image file first


def stamp(row):
    """Noise of the row's mean and variance with a bright source in the middle."""
    generator = np.random.default_rng(row)
    pixels = generator.normal(MEANS[row], np.sqrt(VARIANCES[row]), SHAPES[row])
    pixels[SHAPES[row][0] // 2, SHAPES[row][1] // 2] = 10 + row
    return pixels.astype(np.float32)


def write_archive(folder, sample="25.2"):
    """Twelve galaxies in two image files, six of which galsim's `marginal` exclusions leave."""
    folder.mkdir(parents=True)
    which = np.arange(COUNT) % 2  # image file of each row
    units, names = np.zeros(COUNT, int), [f"real_galaxy_images_{sample}_n{n + 1}.fits" for n in (0, 1)]
    for file, name in enumerate(names):
        rows = np.flatnonzero(which == file)
        units[rows] = np.arange(len(rows))
        blank = [fits.PrimaryHDU(stamp(rows[0])), *(fits.ImageHDU(stamp(row)) for row in rows[1:])]
        fits.HDUList(blank).writeto(folder / name)
    psf = np.full((5, 5), 0.04, np.float32)
    point = [fits.PrimaryHDU(psf), *(fits.ImageHDU(psf) for _ in range(COUNT - 1))]
    fits.HDUList(point).writeto(folder / f"real_galaxy_PSF_images_{sample}_n1.fits")
    fits.PrimaryHDU(np.eye(5, dtype=np.float32)).writeto(folder / "acs_I_unrot_sci_20_cf.fits")

    zphot = np.linspace(0.1, 1.2, COUNT)
    zphot[[4, 7]] = [0, -99]
    flux, status, dmag = np.full(COUNT, 50.0), np.full((COUNT, 5), 1), np.zeros(COUNT)
    signal, mask, sersic, hlr = (
        np.full(COUNT, 30.0),
        np.full(COUNT, 20.0),
        np.ones((COUNT, 8)),
        np.full((COUNT, 3), 2.0),
    )
    adjacent, peak = np.zeros(COUNT), np.full(COUNT, 100.0)
    signal[2] = 11  # too faint: 12 is asked for
    flux[3] = -1  # a negative stamp
    mask[5], adjacent[5] = 5, 90  # a mask close to the centre, and bright beside it
    mask[6], adjacent[6] = 5, 10  # close, but faint: kept
    status[8, 0] = 0  # the bulge did not converge
    sersic[9, 2] = 6  # steep and large: the sky is wrong
    sersic[11, 2], hlr[11] = 6, 0.5  # steep but small: kept
    dmag[10] = -0.9  # another magnitude than the catalogue's
    tables = {
        "": {
            "IDENT": IDENTS,
            "RA": np.linspace(149, 151, COUNT),
            "DEC": np.linspace(1.5, 2.8, COUNT),
            "MAG": np.linspace(20, 25, COUNT),
            "BAND": ["F814W"] * COUNT,
            "WEIGHT": np.ones(COUNT),
            "GAL_FILENAME": [names[file] for file in which],
            "PSF_FILENAME": [f"real_galaxy_PSF_images_{sample}_n1.fits"] * COUNT,
            "GAL_HDU": units,
            "PSF_HDU": np.arange(COUNT),
            "PIXEL_SCALE": np.full(COUNT, 0.03),
            "NOISE_MEAN": MEANS,
            "NOISE_VARIANCE": VARIANCES,
            "NOISE_FILENAME": ["acs_I_unrot_sci_20_cf.fits"] * COUNT,
            "stamp_flux": flux,
        },
        "_fits": {
            "IDENT": IDENTS,
            "mag_auto": np.linspace(20, 25, COUNT),
            "flux_radius": np.linspace(5, 20, COUNT),
            "zphot": zphot,
            "fit_status": status,
            "sersicfit": sersic,
            "bulgefit": np.ones((COUNT, 16)),
            "hlr": hlr,
        },
        "_selection": {
            "IDENT": IDENTS,
            "dmag": dmag,
            "sn_ellip_gauss": signal,
            "min_mask_dist_pixels": mask,
            "average_mask_adjacent_pixel_count": adjacent,
            "peak_image_pixel_count": peak,
        },
    }
    for part, columns in tables.items():
        Table(columns).write(folder / f"real_galaxy_catalog_{sample}{part}.fits")
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive") / "COSMOS_25.2_training_sample")


@pytest.fixture
def folder(pristine, tmp_path):
    """An archive that a test may damage."""
    return shutil.copytree(pristine, tmp_path / "sample")


@pytest.fixture
def load(folder, tmp_path, caplog):
    caplog.set_level("INFO")

    def load(**settings):
        values = {"archive": str(folder), "split": [0.4, 0.3, 0.3], **settings}
        return load_dataset(configs.stamps(tmp_path, **values))

    return load


def table(folder, part=""):
    return folder / f"real_galaxy_catalog_25.2{part}.fits"


def refused(load, *words, error=GalvaeError, **settings):
    with pytest.raises(error) as caught:
        load(**settings)
    message = str(caught.value)
    assert "\n" not in message and message.startswith("dataset."), message
    for word in words:
        assert str(word) in message, message


# --- reading ----------------------------------------------------------------------------------------------


def test_galsim_opens_it_and_excludes(pristine):
    catalog = galsim.COSMOSCatalog(dir=str(pristine), sample="25.2")
    assert catalog.orig_index.tolist() == KEPT.tolist()
    np.testing.assert_array_equal(catalog.real_cat.getGalImage(0).array, stamp(0))
    assert isinstance(catalog.makeGalaxy(0, noise_pad_size=0), galsim.RealGalaxy)
    catalog.real_cat.close()


def test_catalogue_and_condition(load, caplog):
    data = load()
    assert caplog.text.count("6 of 12 galaxies pass galsim's marginal exclusions") == 1
    assert data.catalogue["id"].tolist() == IDENTS[ORDER].tolist()
    np.testing.assert_array_equal(data.catalogue["ra"], np.linspace(149, 151, COUNT)[ORDER])
    np.testing.assert_array_equal(data.catalogue["dec"], np.linspace(1.5, 2.8, COUNT)[ORDER])
    np.testing.assert_array_equal(data.catalogue["mag"], np.linspace(20, 25, COUNT)[ORDER])
    np.testing.assert_array_equal(data.catalogue["flux_radius"], np.linspace(5, 20, COUNT)[ORDER])
    np.testing.assert_array_equal(data.catalogue["noise_variance"], VARIANCES[ORDER])
    np.testing.assert_array_equal(data.catalogue["zphot"][[1, 4]], [0, np.nan])
    assert all(column.dtype.isnative for column in data.catalogue.values())
    assert data.catalogue_units["ra"] == data.catalogue_units["dec"] == "deg"
    expected = np.linspace(0.1, 1.2, COUNT).astype(np.float32)[ORDER]
    expected[[1, 4]] = np.nan
    np.testing.assert_array_equal(data.condition, expected[:, None])
    assert data.condition_names == ["redshift"]
    assert caplog.text.count("2 of 6 redshifts are unknown") == 1


def test_stamps_are_cropped_or_padded_at_the_centre(load, monkeypatch):
    monkeypatch.setattr(cosmos_archive, "BLOCK", 2)
    data = load()
    assert data.images.shape == (6, 158, 158, 1) and data.images.dtype == np.float32
    assert data.pixel_range == (0, 1)
    for image, row in zip(
        data.images[:, ::-1, :, 0], ORDER, strict=True
    ):  # in the order of FITS, the lowest row first
        pixels, (height, width) = stamp(row), SHAPES[row]
        tall, wide = min(height, 158), min(width, 158)
        top, left = (height - tall) // 2, (width - wide) // 2
        rows = slice((158 - tall) // 2, (158 - tall) // 2 + tall)
        columns = slice((158 - wide) // 2, (158 - wide) // 2 + wide)
        np.testing.assert_array_equal(image[rows, columns], pixels[top : top + tall, left : left + wide])
        outside = np.ones((158, 158), bool)
        outside[rows, columns] = False
        if outside.any():
            noise = image[outside]
            assert np.var(noise) == pytest.approx(VARIANCES[row], rel=0.05)
            assert np.mean(noise) == pytest.approx(MEANS[row], abs=5 * np.sqrt(VARIANCES[row] / noise.size))
            assert len(np.unique(noise)) > 0.99 * noise.size


def test_north_is_up_and_the_stored_order_is_noted(load):
    up, down = load(), load(row_0="top")
    np.testing.assert_array_equal(up.images, down.images[:, ::-1])
    assert up.catalogue["stored_rows"].tolist() == ["bottom-up"] * 6 and "stored_rows" not in down.catalogue
    assert "row 0 of each stamp is drawn at the bottom" in up.report["notes"]
    place = np.argwhere(up.images[1, ..., 0] > 9)  # where the fifth stamp, 160 by 40 pixels, has its source
    assert place.tolist() == [[157 - (80 - 1), 20 + 59]]


def test_the_padding_depends_on_ident_alone(load, folder, monkeypatch):
    monkeypatch.setattr(cosmos_archive, "BLOCK", 4)
    first = load()
    for part in ("", "_fits", "_selection"):  # without the first galaxy, hence in another order
        Table.read(table(folder, part))[1:].write(table(folder, part), overwrite=True)
    second = load()
    assert second.catalogue["id"].tolist() == IDENTS[[1, 7, 11, 4, 6]].tolist()
    where = [first.catalogue["id"].tolist().index(ident) for ident in second.catalogue["id"]]
    np.testing.assert_array_equal(second.images, first.images[where])
    corners = [(first.images[ORDER.index(row)][:29] - MEANS[row]) / VARIANCES[row] ** 0.5 for row in (1, 7)]
    assert np.abs(corners[0] - corners[1]).mean() > 0.5, "each galaxy has a noise of its own"


@pytest.mark.parametrize(("name", "sample", "side"), [("hst", "23.5", 128), ("cosmos", "25.2", 158)])
def test_each_reader_has_its_sample_and_size(tmp_path, name, sample, side):
    folder = write_archive(tmp_path / "sample", sample)
    settings = {"name": name, "archive": str(folder), "split": [0.4, 0.3, 0.3]}
    data = load_dataset(configs.stamps(tmp_path, **settings))
    assert data.images.shape[1:] == (side, side, 1)
    assert data.catalogue["id"].tolist() == IDENTS[ORDER].tolist()


def test_image_size_is_an_area_average(load):
    large, small = load().images[..., 0], load(image_size=79).images[..., 0]
    np.testing.assert_allclose(small, large.reshape(6, 79, 2, 79, 2).mean(axis=(2, 4)), atol=1e-6)


def test_what_is_cached_needs_neither_images_nor_galsim(load, folder, monkeypatch):
    first = load().images[:]
    for path in folder.glob("real_galaxy_images*"):
        path.unlink()
    monkeypatch.setitem(sys.modules, "galsim", None)
    np.testing.assert_array_equal(load().images, first)


def test_the_archive_lies_in_the_cache_unless_named(load, folder, tmp_path):
    (tmp_path / "cache").mkdir()
    folder.rename(tmp_path / "cache" / "COSMOS_25.2_training_sample")
    assert len(load(archive=None)) == 6


def test_memory_is_that_of_a_block(tmp_path, monkeypatch):
    folder, count = write_archive(tmp_path / "sample"), 200
    which = np.zeros(count, int)  # the first row, many times over
    for part in ("", "_fits", "_selection"):
        rows = Table.read(table(folder, part))[which]
        rows["IDENT"] = np.arange(count)
        if not part:
            rows["GAL_HDU"] = np.arange(count)
        rows.write(table(folder, part), overwrite=True)
    pixels = np.ones((250, 250), np.float32)  # 50 MB of them
    units = [fits.PrimaryHDU(pixels), *(fits.ImageHDU(pixels) for _ in range(count - 1))]
    fits.HDUList(units).writeto(folder / "real_galaxy_images_25.2_n1.fits", overwrite=True)
    del units
    monkeypatch.setattr(cosmos_archive, "BLOCK", 8)
    source = stamps.read(configs.stamps(tmp_path, archive=str(folder)))
    tracemalloc.start()
    assert sum(len(block) for block in source.blocks) == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_one_image_file_is_open_at_a_time(load, monkeypatch):
    opened, get = [], galsim.RealGalaxyCatalog.getGalImage

    def watched(catalog, row):
        image = get(catalog, row)
        opened.append(list(catalog.loaded_files))
        return image

    monkeypatch.setattr(galsim.RealGalaxyCatalog, "getGalImage", watched)
    load()
    assert [len(names) for names in opened] == [1] * 6
    assert len({names[0] for names in opened}) == 2


# --- bad archives -----------------------------------------------------------------------------------------


def test_nothing_given(load):
    words = ("dataset.path=FILE.h5", "dataset.archive=FOLDER", "dataset.download=true")
    refused(load, "cosmos", "COSMOS_25.2_training_sample", *words, archive=None)
    refused(load, "hst", "COSMOS_23.5_training_sample", *words, archive=None, name="hst")


def test_no_archive_there(load, tmp_path):
    refused(load, tmp_path / "nix", "no real_galaxy_catalog_25.2.fits", archive=str(tmp_path / "nix"))
    refused(load, "COSMOS_23.5", "no real_galaxy_catalog_23.5.fits", name="hst")


@pytest.mark.parametrize("part", ["", "_fits", "_selection"])
def test_a_missing_catalogue(load, folder, part):
    table(folder, part).unlink()
    refused(load, folder, f"no real_galaxy_catalog_25.2{part}.fits")


@pytest.mark.parametrize("part", ["", "_fits", "_selection"])
def test_a_missing_row(load, folder, part):
    rows = Table.read(table(folder, part))
    rows.remove_row(6)
    rows.write(table(folder, part), overwrite=True)
    refused(load, table(folder, part), f"received none for IDENT {IDENTS[6]}")


def test_rows_in_another_order(load, folder):
    Table.read(table(folder, "_fits"))[::-1].write(table(folder, "_fits"), overwrite=True)
    refused(load, table(folder, "_fits"), "expected the rows of real_galaxy_catalog_25.2.fits in its order")


@pytest.mark.parametrize(("part", "name"), [("", "DEC"), ("_fits", "zphot"), ("_selection", "dmag")])
def test_a_missing_column(load, folder, part, name):
    rows = Table.read(table(folder, part))
    rows.remove_column(name)
    rows.write(table(folder, part), overwrite=True)
    refused(load, name)


def test_nothing_passes_the_exclusions(load, folder):
    rows = Table.read(table(folder, "_selection"))
    rows["dmag"] = 1.0
    rows.write(table(folder, "_selection"), overwrite=True)
    refused(load, "expected galaxies that pass the exclusions, received none")


@pytest.mark.parametrize("part", ["", "_fits", "_selection"])
@pytest.mark.parametrize("damage", ["cut", "text", "image"])
def test_a_damaged_catalogue(load, folder, part, damage):
    path = table(folder, part)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-3000])
    elif damage == "text":
        path.write_text("no FITS\n" * 1000)
    else:
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 3)))]).writeto(path, overwrite=True)
    refused(load, path, "expected a FITS table")


def test_a_missing_image_file(load, folder):
    (folder / "real_galaxy_images_25.2_n2.fits").unlink()
    refused(load, "real_galaxy_images_25.2_n2.fits, in which the catalogue has 3 stamps")


def test_a_missing_stamp(load, folder):
    path = folder / "real_galaxy_images_25.2_n1.fits"
    with fits.open(path, memmap=False) as units:
        fits.HDUList(units[:2]).writeto(folder / "short.fits")
    (folder / "short.fits").rename(path)
    refused(load, path, f"expected a stamp of IDENT {IDENTS[4]} in HDU 2")


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_image_file(load, folder, damage):
    path = folder / "real_galaxy_images_25.2_n2.fits"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:50_000])
    elif damage == "text":
        path.write_text("no FITS\n" * 1000)
    else:
        fits.PrimaryHDU().writeto(path, overwrite=True)
    refused(load, path, "received none that can be read")


def test_pixels_must_be_finite(load, folder):
    path = folder / "real_galaxy_images_25.2_n1.fits"
    with fits.open(path, memmap=False, mode="update") as units:
        units[0].data[80, 80] = np.nan
    with pytest.raises(GalvaeError, match="NaN or infinity in image 1000"):
        load()


def test_galsim_is_missing(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    refused(load, ".[galsim]")


# --- download ---------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Serves the server's `data`, ranges included, but hangs up `cut` bytes into the first full answer."""

    def do_GET(self):
        server, data = self.server, self.server.data
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        server.seen.append((self.path, start))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", '"v1"')
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # of whoever wanted only the length
            self.wfile.write(data[start : server.cut if len(server.seen) <= 2 else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.data, server.cut, server.seen = b"", None, []
        monkeypatch.setattr(cosmos_archive, "URL", f"http://127.0.0.1:{server.server_port}/files")
        monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
        monkeypatch.setenv("NO_PROXY", "*")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def packed(folder, *extra):
    """The archive as tar.gz, with (TarInfo, bytes) to spoil it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as members:
        for info, data in extra:
            members.addfile(info, io.BytesIO(data))
        members.add(folder, "COSMOS_25.2_training_sample")
    return stream.getvalue()


def member(name, data=b"", **values):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in values.items():
        setattr(info, key, value)
    return info, data


def left(tmp_path):
    """What lies beside the archive, without the locks."""
    beside = [path.name for path in (tmp_path / "new").iterdir()]
    return sorted(name for name in beside if not name.endswith(".lock"))


def test_an_interrupted_download_resumes(load, pristine, server, tmp_path, caplog):
    server.data = packed(pristine)
    server.cut = len(server.data) // 2
    there = tmp_path / "new" / "cosmos"
    expected = load().images[:]
    data = load(archive=str(there), download=True)
    np.testing.assert_array_equal(data.images, expected)
    path = "/files/COSMOS_25.2_training_sample.tar.gz"
    assert server.seen == [(path, 0), (path, 0), (path, server.cut)]
    assert left(tmp_path) == ["cosmos"]
    assert sorted(path.name for path in there.iterdir()) == sorted(path.name for path in pristine.iterdir())
    assert (
        caplog.text.count("has no published checksum: its size and the checksums inside it are compared") == 1
    )
    load(archive=str(there), download=True, image_size=79)
    assert len(server.seen) == 3, "what is there is not fetched again"


def test_into_the_cache_unless_a_folder_is_named(load, pristine, server, tmp_path):
    server.data = packed(pristine)
    assert len(load(archive=None, download=True)) == 6
    assert table(tmp_path / "cache" / "COSMOS_25.2_training_sample").is_file()


def fetch(load, tmp_path, *words, error=CannotBeDone):
    refused(load, *words, error=error, archive=str(tmp_path / "new" / "cosmos"), download=True)


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        (member("../escaped", b"x"), "'../escaped'"),
        (member("sample/../../escaped", b"x"), "'sample/../../escaped'"),
        (member("/tmp/galvae-escaped", b"x"), "'/tmp/galvae-escaped'"),
        (member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "'link'"),
        (member("inside", type=tarfile.SYMTYPE, linkname="cosmos"), "'inside'"),
        (member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "'hard'"),
        (member("pipe", type=tarfile.FIFOTYPE), "'pipe'"),
        (member("device", type=tarfile.CHRTYPE), "'device'"),
        (member("zeros", bytes(30_000_000)), "more than 4 times its size"),
    ],
    ids=["up", "inside-up", "absolute", "symlink", "inner-symlink", "hardlink", "pipe", "device", "bomb"],
)
def test_hostile_members(load, pristine, server, tmp_path, extra, word):
    server.data = packed(pristine, extra)
    fetch(load, tmp_path, "dataset.download: cosmos.tar.gz", word)
    assert left(tmp_path) == []
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("damage", ["checksum", "middle", "short", "text"])
def test_a_damaged_archive(load, pristine, server, tmp_path, damage):
    good = packed(pristine)
    server.data = {
        "checksum": good[:-8] + bytes([good[-8] ^ 1]) + good[-7:],
        "middle": good[: len(good) // 2] + bytes(100) + good[len(good) // 2 + 100 :],
        "short": good[:-10_000],
        "text": b"<html>moved</html>" * 1000,
    }[damage]
    fetch(load, tmp_path, "expected the COSMOS sample, received a damaged or unrelated archive")
    assert left(tmp_path) == []
    server.data = good
    assert len(load(archive=str(tmp_path / "new" / "cosmos"), download=True)) == 6


def test_an_archive_of_something_else(load, server, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README").write_text("other")
    server.data = packed(tmp_path / "other")
    fetch(load, tmp_path, "it has no real_galaxy_catalog_25.2.fits")
    assert left(tmp_path) == []


def test_a_disk_too_small(load, pristine, server, tmp_path, monkeypatch):
    server.data = packed(pristine)
    free = int(3.1 * len(server.data))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    fetch(load, tmp_path, "of free space to fetch and unpack it", "dataset.archive=")
    assert left(tmp_path) == []
    assert len(server.seen) == 1, "only its length is asked for"


def test_a_disk_that_fills_up_costs_no_second_download(load, pristine, server, tmp_path, monkeypatch):
    server.data = packed(pristine)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", full)
        fetch(load, tmp_path, "cannot write", "No space left on device")
    assert left(tmp_path) == ["cosmos.tar.gz"]
    asked = len(server.seen)
    assert len(load(archive=str(tmp_path / "new" / "cosmos"), download=True)) == 6
    assert len(server.seen) == asked + 1, "only its length is asked for again"
    assert left(tmp_path) == ["cosmos"]


def test_a_folder_of_other_things_is_left_alone(load, server, tmp_path):
    (tmp_path / "new" / "cosmos").mkdir(parents=True)
    (tmp_path / "new" / "cosmos" / "thesis.tex").touch()
    fetch(load, tmp_path, "without real_galaxy_catalog_25.2.fits", error=GalvaeError)
    assert server.seen == []


def test_no_server(load, server, tmp_path, monkeypatch):
    monkeypatch.setattr(cosmos_archive, "URL", "http://127.0.0.1:9/files")
    fetch(load, tmp_path, "no answer from http://127.0.0.1:9/files/COSMOS_25.2_training_sample.tar.gz")


def test_no_such_file_on_the_server(load, server, tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "do_GET", lambda handler: handler.send_error(404))
    fetch(load, tmp_path, "expected status 200 and a length, received 404")


def test_nothing_is_fetched_without_galsim(load, server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    fetch(load, tmp_path, ".[galsim]", error=GalvaeError)
    assert server.seen == []
