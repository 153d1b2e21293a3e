"""Bundles are whole or refused: what is missing, changed, added or hostile is named in one line."""

import json
import os
import stat
import zipfile

import pytest

from galvae.errors import GalvaeError
from galvae.runs.bundles import opened, pack, refuse_change, seal, verify
from galvae.runs.directory import RunDirectory
from galvae.runs.find import MANIFEST, refuse_training

FILES = {"config.yaml": b"a: 1\n", "priors/flow/prior.safetensors": b"12345678", "card.md": b"# A\n"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of this test's own, in which bundles are unpacked."""
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bundle(tmp_path):
    """A bundle of three files."""
    folder = tmp_path / "named"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    seal(folder, {"galaxies": True})
    return folder


def refused(call, *words):
    with pytest.raises(GalvaeError) as error:
        call()
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def test_a_bundle_is_opened_as_it_is(bundle):
    assert opened(bundle) == bundle
    assert json.loads((bundle / MANIFEST).read_text())["files"]["card.md"]["size"] == 4


def test_what_is_no_bundle_is_handed_on(tmp_path):
    assert opened(tmp_path / "nothing") == tmp_path / "nothing"


def test_a_file_that_is_missing_is_named(bundle):
    (bundle / "card.md").unlink()
    refused(lambda: RunDirectory.open(bundle), f"run: {bundle}", "card.md missing", "get the bundle again")


@pytest.mark.parametrize("content", [b"a: 2\n", b"a: 1\n\n"])
def test_a_file_that_is_changed_is_named_before_it_is_read(content, bundle):
    (bundle / "config.yaml").write_bytes(content)
    refused(lambda: RunDirectory.open(bundle), "config.yaml changed (another size or SHA-256)")


def test_a_file_that_is_not_listed_is_named(bundle):
    (bundle / "priors" / "chosen.json").write_text("{}")
    refused(lambda: verify(bundle), "priors/chosen.json not in its list; take them out")


def test_what_file_managers_and_hubs_add_does_not_count(bundle):
    for name in (".DS_Store", "priors/._prior", "README.md", ".cache/hub/lock"):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text("x")
    verify(bundle)


@pytest.mark.parametrize("name", ["umap/.x/embedding.npz", "priors/.x/prior.safetensors", "codes/.all.npz"])
def test_hidden_files_in_folders_where_galvae_would_find_them_count(name, bundle):
    (bundle / name).parent.mkdir(parents=True, exist_ok=True)
    (bundle / name).write_text("x")
    refused(lambda: verify(bundle), f"{name} not in its list; take them out")


def test_pipes_and_devices_are_not_read(bundle):
    (bundle / "card.md").unlink()
    os.mkfifo(bundle / "card.md")
    refused(lambda: verify(bundle), "card.md changed")


@pytest.mark.parametrize("name", ["card.md", MANIFEST])
def test_links_are_refused_though_what_they_lead_to_agrees(name, bundle, tmp_path):
    (bundle / name).rename(tmp_path / "blob")
    (bundle / name).symlink_to(tmp_path / "blob")
    refused(lambda: verify(bundle), f"received {name} behind a link; get its files themselves")


def test_a_folder_behind_a_link_is_not_looked_into(bundle, tmp_path):
    (bundle / "priors" / "more").symlink_to(tmp_path)
    refused(lambda: verify(bundle), "received priors/more behind a link")


LISTS = {
    "nothing": {},
    "a later format": {"format": 2, "galvae": "9.9"},
    "no files": {"files": {}},
    "no config": {"files": {"card.md": {"size": 4, "sha256": "a"}}},
    "a path": {
        "files": {"config.yaml": {"size": 1, "sha256": "a"}, "/etc/passwd": {"size": 1, "sha256": "a"}}
    },
    "two dots": {
        "files": {"config.yaml": {"size": 1, "sha256": "a"}, "a/../../b": {"size": 1, "sha256": "a"}}
    },
    "a negative size": {"files": {"config.yaml": {"size": -1, "sha256": "a"}}},
    "no size": {"files": {"config.yaml": 3}},
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_that_is_none_is_refused(kind, bundle):
    values = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps(values | LISTS[kind] if LISTS[kind] else {}))
    words = ["made by galvae 9.9", "or a later one"] if kind == "a later format" else ["expected the list of"]
    refused(lambda: verify(bundle), *words)


def test_nothing_is_written_into_a_bundle(bundle, tmp_path):
    refused(lambda: refuse_change(bundle, "priors"), "expected a run to keep priors in, received a bundle")
    refused(lambda: refuse_training(bundle), f"init={bundle} begins a new run")
    (bundle / MANIFEST).unlink()
    refuse_change(bundle, "priors")
    refuse_training(bundle)


def test_only_names_that_every_system_has_are_bundled(bundle):
    (bundle / "a b").write_text("")
    with pytest.raises(ValueError, match="Received: a b"):
        seal(bundle, {})


@pytest.fixture
def packed(bundle, tmp_path):
    """The bundle as a .zip file."""
    pack(bundle, tmp_path / "x.zip")
    return tmp_path / "x.zip"


def test_a_packed_bundle_is_unpacked_into_the_cache_once(bundle, packed, cache):
    folder = opened(packed)
    assert folder.is_relative_to(cache / "bundles")
    assert folder.name == "named"
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    before = (folder / "card.md").stat()
    assert opened(packed) == folder
    assert (folder / "card.md").stat().st_ino == before.st_ino
    (folder / "card.md").write_text("# B\n")  # by anybody
    assert opened(packed) == folder
    assert (folder / "card.md").read_bytes() == FILES["card.md"]


def test_a_bundle_may_be_packed_by_another_program(bundle, tmp_path, cache):
    """Compressed, with folders of their own, hidden files, and no folder around all."""
    with zipfile.ZipFile(tmp_path / "y.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("priors")
        archive.writestr(".DS_Store", "x")
        for name in [*FILES, MANIFEST]:
            archive.write(bundle / name, name)
    folder = opened(tmp_path / "y.zip")
    verify(folder)
    assert not (folder / ".DS_Store").exists()


def rewritten(packed, change):
    """Packs the members of a bundle again, as (name, content, mode) that a function of a dict may change."""
    with zipfile.ZipFile(packed) as archive:
        members = {one.filename: (archive.read(one), stat.S_IFREG | 0o644) for one in archive.infolist()}
    extra = change(members) or []
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, mode) in [*members.items(), *extra]:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def lying(members, size, content):
    values = json.loads(members[f"named/{MANIFEST}"][0])
    values["files"]["card.md"]["size"] = size
    members[f"named/{MANIFEST}"] = json.dumps(values).encode(), 0
    members["named/card.md"] = content, 0


FILE = stat.S_IFREG | 0o644
HOSTILE = {
    "out of the folder": (lambda m: m.update({"named/../../evil": (b"x", FILE)}), ["evil"]),
    "absolute": (lambda m: m.update({"/tmp/evil": (b"x", FILE)}), ["/tmp/evil"]),
    "beside the folder": (lambda m: m.update({"other/evil": (b"x", FILE)}), ["other/evil"]),
    "not listed": (lambda m: m.update({"named/evil": (b"x", FILE)}), ["named/evil"]),
    "a link": (
        lambda m: m.update({"named/card.md": (b"# A\n", stat.S_IFLNK | 0o777)}),
        ["named/card.md as a link"],
    ),
    "a device": (lambda m: m.update({"named/card.md": (b"# A\n", stat.S_IFCHR)}), ["named/card.md"]),
    "missing": (lambda m: [m.pop("named/card.md"), []][1], ["none of the name named/card.md"]),
    "changed": (lambda m: m.update({"named/card.md": (b"# B\n", FILE)}), ["card.md changed"]),
    "longer": (lambda m: m.update({"named/card.md": (b"# BB\n", FILE)}), ["expected 4 bytes", "received 5"]),
    "no list": (lambda m: [m.pop(f"named/{MANIFEST}"), []][1], ["received a .zip file with none"]),
    "two lists": (lambda m: m.update({f"other/{MANIFEST}": (b"{}", FILE)}), ["received a .zip file with 2"]),
    "a list that is none": (
        lambda m: m.update({f"named/{MANIFEST}": (b"[]", FILE)}),
        ["expected a whole bundle"],
    ),
    "a bomb": (lambda m: lying(m, 10**8, bytes(10**8)), ["that declare 100.0 MB"]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_zip_is_one_line_and_leaves_nothing(kind, packed, cache, tmp_path):
    change, words = HOSTILE[kind]
    rewritten(packed, change)
    before = sorted(tmp_path.rglob("*"))
    refused(lambda: opened(packed), str(packed), *words)
    after = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert [path for path in after if path != cache and path != cache / "bundles"] == []


def test_a_member_that_stands_twice_is_refused(packed):
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("named/card.md", "# A\n")
    refused(lambda: opened(packed), "once each, received named/card.md")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip" * 100])
def test_a_file_that_is_no_zip_is_one_line(content, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    refused(lambda: RunDirectory.open(tmp_path / "a.zip"), "a.zip: expected a whole bundle")


def test_a_damaged_zip_is_one_line(packed, cache):
    content = packed.read_bytes()
    packed.write_bytes(content.replace(b"# A\n", b"# B\n"))  # not what its own checksum says
    refused(lambda: opened(packed), "x.zip: expected a whole bundle", "Bad CRC-32")
    assert not any((cache / "bundles").iterdir())
