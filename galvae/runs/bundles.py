"""Bundles: runs made to be given away, whose files are listed with their checksums and never change.

A bundle is the directory of a run in small, or a .zip of it. Its bundle.json, written last, holds the size and the
SHA-256 of every other file, and all of them are compared before anything else is read. That shows a damaged or an
incomplete copy; whoever changes a file on purpose can change the list too, so that its files are read as carefully as
those of any run.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path

from galvae import __version__
from galvae.errors import CannotBeDone, GalvaeError, byte_counts, damage_as_one_line
from galvae.runs.find import MANIFEST, is_bundle, is_zip
from galvae.system.atomic import save_json
from galvae.system.cache_folder import cache_folder
from galvae.system.safe_read import open_file, read_json

FORMAT = 1
LARGEST_MANIFEST = 1_000_000  # bytes
MOST_FILES = 1000
LARGEST_RATIO = 100  # of a bundle's size and that of its .zip; weights hardly become smaller
SMALL = 10_000_000  # bytes that any .zip may declare
NAMED = 3  # files in a message
# Nothing absolute, hidden, or out of the folder; nothing that any file system would read otherwise.
NAME = re.compile(r"\w[\w.+-]{0,100}(/\w[\w.+-]{0,100}){0,4}", re.ASCII)
AGAIN = "get the bundle again from whoever made it"


def opened(path):
    """The directory of a run, whose files have been compared with their checksums if it is a bundle.

    Args:
        path: path of the directory, or of a .zip file, which is unpacked into the cache folder.

    Raises:
        GalvaeError: if a bundle is not whole, or a .zip file holds none.
        CannotBeDone: if the cache folder cannot hold it.
    """
    if is_zip(path):
        return _unpacked(path)
    if is_bundle(path):
        verify(path)
    return path


def refuse_change(path, what):
    """Refuses to write into a bundle.

    Args:
        path: directory of a run.
        what: what would be written, in words.

    Raises:
        GalvaeError: if it is a bundle.
    """
    if is_bundle(path):
        raise GalvaeError(
            f"run: {path}: expected a run to keep {what} in, received a bundle, whose files never change; a copy of it "
            f"without {MANIFEST} is a run"
        )


def seal(folder, facts):
    """Writes the list of a folder's files, which makes it a bundle.

    Args:
        folder: the directory of a run, with all that the bundle is to hold.
        facts: JSON-able dict of what else the list is to say.

    Raises:
        ValueError: if a file has a name that no bundle may hold.
    """
    files = {}
    for name in sorted(_names(folder)):
        if NAME.fullmatch(name) is None:
            raise ValueError(f"Invalid name. Expected one that a bundle may hold. Received: {name}")
        with open(folder / name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[name] = {"size": os.fstat(file.fileno()).st_size, "sha256": digest}
    save_json(folder / MANIFEST, {"format": FORMAT, "galvae": __version__, **facts, "files": files})


def manifest(folder):
    """The list of a bundle's files, with what else it says.

    Args:
        folder: the bundle's directory.

    Raises:
        GalvaeError: if it is damaged, or of a later format.
    """
    return _checked(read_json(folder / MANIFEST, LARGEST_MANIFEST), folder / MANIFEST)


def verify(folder, shown=None):
    """Compares all files of a bundle with its list.

    README.md and hidden files that model hubs and file managers add do not count, since galvae reads none of them:
    at the top any, as .git, .gitattributes and .cache; in folders only .DS_Store and ._NAME.

    Links are refused, as a model hub's own cache has them: what they lead to could be changed by others after it was
    compared.

    Args:
        folder: the bundle's directory.
        shown: the path by which messages name it; None: the directory.

    Raises:
        GalvaeError: if a file is missing, another one than was listed, not listed, or a link.
    """
    files, present = manifest(folder)["files"], _names(folder)
    links = {name for name in {MANIFEST, *present} if (folder / name).is_symlink()}
    missing, unexpected = sorted(files.keys() - present), sorted(present - files.keys() - links)
    own = [name for name in files if name in present - links]
    changed = [name for name in own if not _agrees(folder / name, files[name])]
    remedy = "get its files themselves, as by a model hub's download into a folder" if links else AGAIN
    wrong = [
        f"{', '.join(names[:NAMED])}{f' and {len(names) - NAMED} more' if len(names) > NAMED else ''} {what}"
        for names, what in (
            (missing, "missing"),
            (changed, "changed (another size or SHA-256)"),
            (unexpected, "not in its list"),
            (sorted(links), "behind a link"),
        )
        if names
    ]
    if wrong:
        raise GalvaeError(
            f"run: {shown or folder}: expected the files of a bundle as {MANIFEST} lists them, received "
            f"{'; '.join(wrong)}; {remedy if links or missing or changed else 'take them out'}"
        )


def pack(folder, path):
    """Packs a bundle into a .zip file, with its folder's name before each name.

    Args:
        folder: the bundle's directory.
        path: path of the file.
    """
    with zipfile.ZipFile(path, "w") as archive:  # not compressed: weights hardly become smaller
        for name in [MANIFEST, *manifest(folder)["files"]]:
            archive.write(folder / name, f"{folder.name}/{name}")


def _names(folder):
    """Names of all that lies in a bundle's folder, folders apart, without what is not the bundle's own."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {name for path in paths if _counts(name := path.relative_to(folder).as_posix())}


def _counts(name):
    """Whether a file belongs to a bundle; see `verify`."""
    parts = name.split("/")
    hidden = (parts[0].startswith(".") and parts[0] != "..") or parts[-1].startswith(("._", ".DS_Store"))
    return not hidden and name not in (MANIFEST, "README.md")


def _agrees(path, entry):
    """Whether a file has the size and the SHA-256 of its entry in the list."""
    try:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_size != entry["size"]:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == entry["sha256"]
    except (OSError, ValueError):  # ValueError: a pipe or a device
        return False


def _checked(values, path):
    """The content of bundle.json, from which nothing is taken unchecked.

    Args:
        values: dict.
        path: where it was read, for messages.
    """
    number, files = values.get("format"), values.get("files")
    if type(number) is int and number > FORMAT:
        raise GalvaeError(
            f"run: {path}: expected a bundle of format {FORMAT}, received one of {number}, made by galvae "
            f"{values.get('galvae')}; expected that version or a later one to open it"
        )
    whole = number == FORMAT and isinstance(files, dict) and 1 <= len(files) <= MOST_FILES
    if not (whole and all(map(_is_entry, files.items())) and "config.yaml" in files):
        raise GalvaeError(f"run: {path}: expected the list of a bundle's files, received another; {AGAIN}")
    return values


def _is_entry(item):
    name, entry = item
    return (
        NAME.fullmatch(name) is not None
        and isinstance(entry, dict)
        and type(entry.get("size")) is int
        and entry["size"] >= 0
        and isinstance(entry.get("sha256"), str)
    )


def _unpacked(path):
    """The directory of a bundle that came as a .zip file, unpacked into the cache folder once, and whole."""
    try:
        with open_file(path) as file:
            target = cache_folder() / "bundles" / hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GalvaeError(f"run: {path}: {error.strerror}; expected a bundle that can be read") from error
    with (
        damage_as_one_line(f"run: {path}: expected a whole bundle, as galvae export writes it"),
        zipfile.ZipFile(path) as archive,
    ):
        prefix, members = _members(archive, path)
        try:
            verify(target / prefix)
        except GalvaeError:  # none there, or it was changed since
            try:
                _extract(archive, members, prefix, target, path)
            except OSError as error:
                raise CannotBeDone(
                    f"run: {path}: cannot be unpacked in {target.parent}: {error.strerror}; expected a cache folder to "
                    "write in, as $GALVAE_CACHE, or the bundle as a folder"
                ) from error
    return target / prefix


def _members(archive, path):
    """The folder's name in a .zip file, and the members that are to be unpacked, all of which have been checked."""
    everything = archive.infolist()
    lists = [one for one in everything if re.fullmatch(rf"(\w[\w.+-]*/)?{MANIFEST}", one.filename, re.ASCII)]
    if len(lists) != 1 or lists[0].file_size > LARGEST_MANIFEST or len(everything) > 2 * MOST_FILES:
        raise GalvaeError(
            f"run: {path}: expected a bundle, as galvae export target=bundle zip=true writes it, with one {MANIFEST}; "
            f"received a .zip file with {len(lists) or 'none'}"
        )
    prefix = lists[0].filename.removesuffix(MANIFEST)
    files = _checked(json.loads(archive.read(lists[0])), f"{path}: {lists[0].filename}")["files"]
    sizes = {f"{prefix}{name}": entry["size"] for name, entry in files.items()}
    sizes[lists[0].filename] = lists[0].file_size
    found = {}
    for one in everything:
        counts = one.filename in sizes or _counts(one.filename.removeprefix(prefix))
        if one.is_dir() or not counts:
            continue
        mode = one.external_attr >> 16  # 0 from a system without
        if one.filename not in sizes or one.filename in found or stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise GalvaeError(
                f"run: {path}: expected the files of a bundle as {MANIFEST} lists them, once each, received "
                f"{one.filename}{' as a link' if stat.S_ISLNK(mode) else ''}; {AGAIN}"
            )
        if one.file_size != sizes[one.filename]:
            raise GalvaeError(
                f"run: {path}: expected {sizes[one.filename]:,} bytes of {one.filename}, as {MANIFEST} lists them, "
                f"received {one.file_size:,}; {AGAIN}"
            )
        found[one.filename] = one
    missing = sorted(sizes.keys() - found.keys())
    if missing:
        raise GalvaeError(
            f"run: {path}: expected the files of a bundle as {MANIFEST} lists them, received none of the name "
            f"{missing[0]}; {AGAIN}"
        )
    total, packed = sum(sizes.values()), os.path.getsize(path)
    if total > SMALL + LARGEST_RATIO * packed:
        declared, size = byte_counts(total, packed)
        raise GalvaeError(
            f"run: {path}: expected a bundle that hardly becomes smaller when it is packed, received {size} that "
            f"declare {declared}"
        )
    return prefix, list(found.values())


def _extract(archive, members, prefix, target, path):
    """Unpacks the members of a .zip file into a new folder, which is whole or absent.

    Args:
        archive: ZipFile.
        members, prefix: see `_members`.
        target: path of the folder.
        path: path of the .zip file, for messages.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    needed, free = sum(one.file_size for one in members), shutil.disk_usage(target.parent).free
    if needed > free:
        expected, received = byte_counts(needed, free)
        raise CannotBeDone(
            f"run: {path}: cannot be unpacked in {target.parent}: expected {expected} of free space, received "
            f"{received}"
        )
    building = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        for one in members:
            file_path = building / one.filename
            file_path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(one) as source, open(file_path, "xb") as file:
                shutil.copyfileobj(source, file)
        verify(building / prefix, path)
        with contextlib.suppress(GalvaeError):
            verify(target / prefix)  # another process was faster, and may be reading it
            return
        shutil.rmtree(target, ignore_errors=True)
        os.rename(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
