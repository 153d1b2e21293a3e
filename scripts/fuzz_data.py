"""Tests galvae with thousands of damaged data files and cache entries, and counts the outcomes.

    python scripts/fuzz_data.py --files 3000 --entries 1000 --seed 0
    python scripts/fuzz_data.py --files 3000 --entries 0 --only HDF5

Acceptable outcomes: clean (read, and correct as far as the format has checksums), refused (one line, exit status 2)
and failed (one line, exit status 1). Unacceptable outcomes: traceback, signal, hang and wrong (other data were read
although a checksum shows the damage); the exit status is 1 if any case has one of these. Each case is read as by
`galvae prepare`, in a fork of this process under the limits of galvae/data/store/isolation.py. Where that fork crashes
or hangs, the whole command is run to see what a user gets.
"""

import argparse
import collections
import dataclasses
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from galvae.config.dataset import READING, FilesConfig, Galaxy10Config, MnistConfig, StampsConfig
from galvae.config.fields import ALWAYS
from galvae.data.load import load_dataset
from galvae.data.quality import checked
from galvae.data.store import isolation
from galvae.data.store.cache_entry import VERIFIED
from galvae.errors import GalvaeError

COUNT, SIDE = 12, 16
LIMIT = 60  # seconds per case
OUTCOMES = ("clean", "refused", "failed", "traceback", "signal", "hang", "wrong")
COMMON = {
    "augment": True,
    "split": [0.6, 0.2, 0.2],
    "split_seed": 0,
    "split_by": None,
    "stretch": "none",
    "missing_condition": "drop",
    "image_size": None,
    "cache_dir": None,
}


@dataclasses.dataclass
class Target:
    """A valid dataset whose files are to be damaged.

    Attributes:
        config: its configuration, without cache_dir.
        files: paths of the files to damage, one at a time.
        checksummed: whether the format's own checksums detect changed pixels.
    """

    config: object
    files: list
    checksummed: bool = False


def configuration(schema, **values):
    """A configuration in which keys that are not given have the values that all of them share, or are null."""
    fields = dataclasses.fields(schema)
    later = {field.name: field.metadata["added"] for field in fields if field.metadata["added"] is not ALWAYS}
    values = {**dict.fromkeys(field.name for field in fields), **COMMON, **later, **values}
    if "reading" in values:
        values["reading"] = READING
    return schema(**values)


def write_targets(folder):
    """Writes small valid datasets of every format to a folder; returns name -> Target."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    columns = {
        "kind": np.arange(COUNT) % 3,
        "redshift": np.linspace(0.1, 1, COUNT),
        "ra": np.linspace(0, 300, COUNT),
        "dec": np.linspace(-60, 60, COUNT),
        "name": np.array([f"G{number}" for number in range(COUNT)]),
    }
    table = Table(columns)
    keys = {"labels": "kind", "condition": ["redshift"], "ids": "name"}

    def files(path, **changes):
        values = {"name": "files", "path": str(folder / path), "condition": [], "axes": None, **changes}
        return configuration(FilesConfig, **values)

    def hdf5(name, libver="earliest", **options):
        with h5py.File(folder / name, "w", libver=libver) as file:
            file.create_dataset("images", data=images, **options)
            for key, column in columns.items():
                text = column.dtype.kind == "U"
                file[f"of_each/{key}"] = column.astype(object) if text else column
        return files(
            name,
            images="images",
            axes="NHWC",  # 16 pixels could also be 16 bands
            **{
                key: [f"of_each/{one}" for one in value] if isinstance(value, list) else f"of_each/{value}"
                for key, value in keys.items()
            },
        )

    targets = {
        "HDF5 plain": Target(hdf5("plain.h5"), ["plain.h5"]),
        "HDF5 gzip": Target(hdf5("gzip.h5", chunks=(4, SIDE, SIDE, 3), compression="gzip"), ["gzip.h5"]),
        "HDF5 newest": Target(
            hdf5("newest.h5", "latest", chunks=(1, SIDE, 8, 3), shuffle=True, fletcher32=True),
            ["newest.h5"],
            checksummed=True,
        ),
    }
    with h5py.File(folder / "galaxy10.h5", "w") as file:
        file["images"], file["ans"] = images, np.arange(COUNT, dtype=np.uint8) % 10
        for name in ("ra", "dec", "redshift"):
            file[name] = columns[name]
    config = configuration(Galaxy10Config, name="galaxy10", path=str(folder / "galaxy10.h5"))
    targets["HDF5 Galaxy10"] = Target(config, ["galaxy10.h5"])
    with h5py.File(folder / "stamps.h5", "w") as file:
        file["images"] = generator.uniform(0, 1, (COUNT, SIDE, SIDE)).astype(np.float32)
        file["redshift"] = columns["redshift"]
    config = configuration(StampsConfig, name="cosmos", path=str(folder / "stamps.h5"), download=False)
    targets["HDF5 stamps"] = Target(config, ["stamps.h5"])

    np.save(folder / "a.npy", images)
    np.savez_compressed(folder / "a.npz", images=images, **columns)
    for number in range(3):
        rows = slice(4 * number, 4 * number + 4)
        parts = {key: column[rows] for key, column in columns.items()}
        np.savez_compressed(folder / f"part-{number}.npz", images=images[rows], **parts)
    targets["npz of three files"] = Target(
        files("part-*.npz", images="images", axes="NHWC", **keys),
        ["part-0.npz", "part-2.npz"],
        checksummed=True,
    )
    targets["npy"] = Target(files("a.npy", axes="NHWC"), ["a.npy"])
    targets["npz"] = Target(files("a.npz", images="images", axes="NHWC", **keys), ["a.npz"], checksummed=True)
    digits, labels = images[:, :, :, 0], columns["kind"].astype(np.uint8)
    np.savez(
        folder / "mnist.npz", x_train=digits[:6], y_train=labels[:6], x_test=digits[6:], y_test=labels[6:]
    )
    config = configuration(MnistConfig, name="mnist", path=str(folder / "mnist.npz"))
    targets["mnist"] = Target(config, ["mnist.npz"], checksummed=True)

    for kind, ending in (
        ("PNG", "png"),
        ("JPEG", "jpg"),
        ("FITS", "fits"),
        ("FITS gzip", "fits.gz"),
        ("FITS fz", "fz"),
    ):
        (folder / ending).mkdir()
        paths = [
            f"{ending}/{number:02d}.{'fits.fz' if ending == 'fz' else ending}" for number in range(COUNT)
        ]
        for path, image in zip(paths, images, strict=True):
            if ending == "fz":
                unit = fits.CompImageHDU(image[:, :, 0].astype(np.int16))
                fits.HDUList([fits.PrimaryHDU(), unit]).writeto(folder / path)
            elif "fits" in ending:
                fits.writeto(folder / path, np.moveaxis(image, 2, 0) / np.float32(255))
            else:
                Image.fromarray(image).save(folder / path)
        exact = ending in ("png", "fits.gz")
        wide = {"pixel_range": [0.0, 255.0]} if ending == "fz" else {}
        targets[kind] = Target(files(ending, **wide), [paths[0], paths[5]], checksummed=exact)

    encoded = []
    for image in images:
        packed = io.BytesIO()
        Image.fromarray(image).save(packed, "PNG")
        encoded.append({"bytes": packed.getvalue(), "path": None})
    flux = [
        {"band": list("gri"), "flux": np.moveaxis(image / np.float32(255), 2, 0).tolist()} for image in images
    ]
    for name, column in (("encoded", encoded), ("flux", flux)):
        rows = {"image": column, **{key: values.tolist() for key, values in columns.items()}}
        pyarrow.parquet.write_table(pyarrow.table(rows), folder / f"{name}.parquet", row_group_size=5)
        targets[f"Parquet {name}"] = Target(files(f"{name}.parquet", **keys), [f"{name}.parquet"])
    with h5py.File(folder / "universe.hdf5", "w") as file:
        file["image_array"] = np.moveaxis(images, 3, 1) / np.float32(255)
        file["image_band"] = np.tile(np.array(list("gri"), "S1"), (COUNT, 1))
        file["object_id"] = np.char.encode(columns["name"])
    targets["HDF5 Multimodal Universe"] = Target(files("universe.hdf5"), ["universe.hdf5"])

    for ending in ("csv", "ecsv", "fits"):
        table.write(folder / f"table.{ending}")
        config = files("a.npy", axes="NHWC", table=str(folder / f"table.{ending}"), **keys)
        targets[f"table {ending}"] = Target(config, [f"table.{ending}"])
    return targets


def damage(content, generator):
    """Applies a random kind of damage.

    Args:
        content: bytes of a file.
        generator: random.Random.

    Returns:
        (bytes, name of the kind of damage).
    """
    kind = generator.choice(("flip", "flip", "flips", "extremes", "zeros", "truncated", "doubled", "text"))
    content = bytearray(content)
    # More than half of the damage hits the beginning of the file, where headers are.
    position = generator.randrange(
        min(len(content), generator.choice((64, 512, 4096, len(content), len(content))))
    )
    if kind in ("flip", "flips"):
        for _ in range(1 if kind == "flip" else generator.randint(2, 16)):
            content[position] ^= 1 << generator.randrange(8)
            position = generator.randrange(len(content))
    elif kind == "extremes":
        size = generator.choice((1, 2, 4, 8))
        value = generator.choice((b"\xff", b"\x00", b"\x7f", b"\x80")) * size
        content[position : position + size] = value
    elif kind == "zeros":
        size = generator.choice((16, 512, 4096))
        position -= position % size
        content[position : position + size] = bytes(len(content[position : position + size]))
    elif kind == "truncated":
        del content[
            generator.choice(
                (position, position - position % 2880, len(content) - generator.randint(1, 16))
            ) :
        ]
    elif kind == "doubled":
        size = generator.choice((8, 64, 512))
        content[position:position] = content[position : position + size]
    else:
        size = generator.choice((1, 4, 16))
        content[position : position + size] = bytes(
            generator.choice(b"0123456789 -.,eENaninf'\"{}[]()#:\n") for _ in range(size)
        )
    return bytes(content), kind


def fingerprint(dataset):
    """Checksum of the pixels, digest of the content, and shape of the images, for comparison."""
    return zlib.crc32(np.ascontiguousarray(dataset.images[:])), dataset.content, dataset.images.shape


def read_in_fork(config, expected=None, exact=False):
    """Reads a dataset in a fork of this process and judges the result.

    Args:
        config: configuration of the dataset, with cache_dir.
        expected: `fingerprint` of the undamaged dataset, if changed pixels must be detected; else None.
        exact: whether the whole fingerprint must be equal, instead of the pixels alone.

    Returns:
        (outcome, text).
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os._exit(_read(config, expected, exact, writing))
    os.close(writing)
    deadline = time.monotonic() + LIMIT
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
        time.sleep(0.002)
    if not ended[0]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        return "hang", ""
    with os.fdopen(reading, encoding="utf-8", errors="replace") as file:
        text = file.read()
    status = os.waitstatus_to_exitcode(ended[1])
    if status < 0:
        return ("hang" if -status == signal.SIGXCPU else "signal"), signal.Signals(-status).name
    return OUTCOMES[status], text


def _read(config, expected, exact, answers):
    """Reads in the fork; returns its exit status, an index in OUTCOMES, and writes a text to `answers`."""

    def write_entry_here(folder, module, config, work=None, process=None, report=None):
        answer = isolation.read_limited(
            {"module": module, "folder": folder, "config": dataclasses.asdict(config), "work": work}
            | {"seconds": isolation.SECONDS, "memory": isolation.MEMORY}
        )
        if answer:
            raise isolation.ERRORS.get(answer["error"], RuntimeError)(*answer["arguments"])

    isolation.write_entry = write_entry_here
    for number in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    outcome, text = "clean", ""
    try:
        dataset = checked(load_dataset(config))
        consistent = all(len(column) == len(dataset) for column in dataset.catalogue.values())
        received = fingerprint(dataset)
        same = expected is None or (received == expected if exact else received[0] == expected[0])
        if not (consistent and same and np.isfinite(dataset.images[:]).all()):
            outcome = "wrong"
    except GalvaeError as error:
        text = str(error)
        outcome = {2: "refused", 1: "failed"}[error.exit_status] if "\n" not in text else "traceback"
    except BaseException:
        outcome, text = "traceback", traceback.format_exc()
    with os.fdopen(answers, "w", encoding="utf-8", errors="replace") as file:
        file.write(text[-6000:])
    return OUTCOMES.index(outcome)


def whole_command(config):
    """Runs `galvae prepare` as a process, for a dataset that crashed or hung the fork; returns (outcome, text)."""
    overrides = [
        f"dataset.{name}={_override_value(value)}"
        for name, value in dataclasses.asdict(config).items()
        if name not in ("name", "split", "augment") and value is not None and value != []
    ]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "galvae", "prepare", f"dataset={config.name}", *overrides]
        command += ["dataset.split=[0.6,0.2,0.2]", f"hydra.run.dir={folder}/out"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=5 * LIMIT, cwd=folder, check=False
            )
        except subprocess.TimeoutExpired:
            return "hang", ""
    if done.returncode < 0:
        return "signal", str(done.returncode)
    if "Traceback" in done.stderr:
        return "traceback", done.stderr
    return OUTCOMES[{0: 0, 2: 1, 1: 2}.get(done.returncode, 3)], done.stderr.strip()


def _override_value(value):
    """The text of a value on the command line."""
    return "[" + ",".join(map(str, value)) + "]" if isinstance(value, list) else value


def fuzz_files(count, seed, folder, only=""):
    """Reads randomly damaged data files and counts the outcomes.

    Args:
        count: number of cases.
        seed: seed of the damage.
        folder: empty working folder.
        only: start of the names of the targets to damage; "" for all.

    Returns:
        (counts, bad): dict, name of the target -> Counter of outcomes; and a list of (case, outcome, text) of the
        unacceptable outcomes.
    """
    targets = {name: target for name, target in write_targets(folder).items() if name.startswith(only)}
    expected = {}
    for name, target in targets.items():
        target.config.cache_dir = str(folder / "cache")
        expected[name] = fingerprint(load_dataset(target.config))
    counts, bad = collections.defaultdict(collections.Counter), []
    for case in range(count):
        generator = random.Random(f"{seed}-{case}")
        name = list(targets)[case % len(targets)]
        target = targets[name]
        path = folder / generator.choice(target.files)
        content = path.read_bytes()
        damaged, kind = damage(content, generator)
        target.config.cache_dir = str(folder / f"cache-{case}")
        try:
            path.write_bytes(damaged)
            outcome, text = read_in_fork(target.config, expected[name] if target.checksummed else None)
            if outcome in ("signal", "hang"):
                counts[name][f"{outcome} of the library"] += 1
                shutil.rmtree(target.config.cache_dir, ignore_errors=True)
                outcome, text = whole_command(target.config)
        finally:
            path.write_bytes(content)
            shutil.rmtree(target.config.cache_dir, ignore_errors=True)
        counts[name][outcome] += 1
        if outcome in OUTCOMES[3:]:
            bad.append((f"{case}: {name}, {path.name}, {kind}", outcome, text))
    return counts, bad


def fuzz_entries(count, seed, folder):
    """Reads a cache entry with flipped bits, zeroed pages or a cut, which must be restored exactly.

    Args:
        count: number of cases.
        seed: seed of the damage.
        folder: empty working folder.

    Returns:
        (counts, bad), see `fuzz_files`.
    """
    config = write_targets(folder)["HDF5 gzip"].config
    config.cache_dir = str(folder / "cache")
    expected = fingerprint(load_dataset(config))
    (entry,) = (path for path in Path(config.cache_dir).iterdir() if path.is_dir())
    good = {path.name: path.read_bytes() for path in entry.iterdir()}
    counts, bad = collections.defaultdict(collections.Counter), []
    for case in range(count):
        generator = random.Random(f"{seed}-entry-{case}")
        name = sorted(good)[case % len(good)]
        content = bytearray(good[name])
        position = generator.randrange(len(content))
        kind = ("flip", "page", "flip", "cut")[case // len(good) % 4]
        if kind == "flip":
            content[position] ^= 1 << generator.randrange(8)
        elif kind == "page":
            start = position - position % 4096
            content[start : start + 4096] = bytes(len(content[start : start + 4096]))
        else:
            del content[position:]
        (entry / name).unlink(missing_ok=True)  # since nobody may write to it
        (entry / name).write_bytes(content)
        outcome, text = read_in_fork(config, expected, exact=True)
        restored = {path.name: path.read_bytes() for path in entry.iterdir()}
        # VERIFIED holds the times of the other files, which change when these are restored.
        if outcome == "clean" and restored | {VERIFIED: b""} != good | {VERIFIED: b""}:
            outcome = "wrong"  # read without being restored
        counts[f"cache {name}"][outcome] += 1
        if outcome != "clean":
            bad.append((f"{case}: cache {name}, {kind} at {position}", outcome, text))
        for file, original in good.items():
            if (entry / file).read_bytes() != original:
                (entry / file).write_bytes(original)
    return counts, bad


def report(counts, bad):
    """Formats the counts of outcomes and the first unacceptable cases, see `fuzz_files`, as text."""
    names = [*OUTCOMES, "signal of the library", "hang of the library"]
    text = io.StringIO()
    total = sum(counts.values(), collections.Counter())
    for name, counter in [*sorted(counts.items()), ("total", total)]:
        cases = sum(counter[outcome] for outcome in OUTCOMES)
        outcomes = ", ".join(f"{outcome} {counter[outcome]}" for outcome in names if counter[outcome])
        print(f"{name:20} {cases:6}  {outcomes}", file=text)
    for case, outcome, message in bad[:20]:
        print(f"\n{outcome}: {case}\n{message}", file=text)
    return text.getvalue()


def main():
    """Damages files and cache entries as the command line says, and prints the outcomes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=3000, help="number of damaged data files (3000)")
    parser.add_argument("--entries", type=int, default=1000, help="number of damaged cache entries (1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damage (0)")
    parser.add_argument(
        "--only", default="", help="start of the names of the formats to damage; default: all formats"
    )
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        results.append(fuzz_files(options.files, options.seed, Path(folder), options.only))
    with tempfile.TemporaryDirectory() as folder:
        results.append(fuzz_entries(options.entries, options.seed, Path(folder)))
    for counts, bad in results:
        print(report(counts, bad))
    sys.exit(any(bad for _, bad in results))


if __name__ == "__main__":
    main()
