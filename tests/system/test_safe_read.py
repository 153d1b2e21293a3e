import json
import os
import struct
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from galvae.errors import GalvaeError
from galvae.system.atomic import save_arrays
from galvae.system.safe_read import largest_header, read_json, read_npz, read_weights, weights_header

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2], np.uint32)}


def npy(header, content=b""):
    """A member of an .npz file with a header of its own making."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def header(descr="<f4", shape="(2,)", order="False"):
    return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"


def weights(entries, content=b"", length=None):
    """A safetensors file with a header of its own making."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array("text of an identity"),
        np.zeros((0, 2), np.float32),
        np.array([True, False]),
    ],
)
@pytest.mark.parametrize("write", [save_arrays, np.savez])
def test_what_was_written_comes_back(tmp_path, array, write):
    write(tmp_path / "x.npz", a=array, b=ARRAYS["b"])
    read = read_npz(tmp_path / "x.npz", ["a", "b"])
    np.testing.assert_array_equal(read["a"], array)
    assert read["a"].dtype == array.dtype
    assert read["a"].flags.writeable


MEMBERS = {
    "objects": npy(header("|O", "(1,)"), b"\x80\x04cos\nsystem\n"),
    "terabytes": npy(header(shape="(1000000000000,)"), b"12345678"),
    "too many bytes": npy(header(shape="(1,)"), b"12345678"),
    "characters of no size": npy(header("<U0", "(1000000000000,)")),
    "overflow": npy(header(shape="(0, 9223372036854775808)")),
    "records": npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", b"12345678"),
    "code": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (__import__('os').getpid(),), }"),
    "brackets": npy("(" * 5000),
    "digits": npy(header(shape="(" + "1" * 9000 + "!)")),
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_an_array_that_is_none_is_refused_before_it_is_read(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", MEMBERS[kind])
    with pytest.raises(GalvaeError, match=r"x\.npz: expected the arrays a, received a damaged one \(.*\)$"):
        read_npz(tmp_path / "x.npz", ["a"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["compressed", "claims more", "twice", "another", "a path", "missing"])
def test_an_archive_of_another_kind_is_refused(tmp_path, kind):
    member = npy(header(), b"12345678")
    names = {"twice": ["a.npy", "a.npy"], "another": ["a.npy", "b.npy"], "a path": ["../a.npy"]}
    compression = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(tmp_path / "x.npz", "w", compression) as archive:
        for name in [] if kind == "missing" else names.get(kind, ["a.npy"]):
            archive.writestr(name, member)
    if kind == "claims more":
        content = bytearray((tmp_path / "x.npz").read_bytes())
        place = content.index(b"PK\x01\x02") + 20  # both sizes in the central directory
        content[place : place + 8] = struct.pack("<II", 2**31, 2**31)
        (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(GalvaeError, match="expected the arrays a, received"):
        read_npz(tmp_path / "x.npz", ["a"])


def test_weights_are_what_was_saved(tmp_path):
    (tmp_path / "w").write_bytes(save(ARRAYS))
    assert {name: found[:2] for name, found in weights_header(tmp_path / "w").items()} == {
        name: (array.shape, array.dtype) for name, array in ARRAYS.items()
    }
    for name, array in read_weights(tmp_path / "w").items():
        np.testing.assert_array_equal(array, ARRAYS[name])


FOUR, EIGHT = bytes(4), bytes(8)
WEIGHTS = {
    "header of 2^63 bytes": weights(b"{}", length=2**63),
    "header longer than the file": weights(b"{}", length=3),
    "a name twice": weights(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        FOUR,
    ),
    "overlap": weights({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, EIGHT),
    "gap": weights({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, EIGHT + FOUR),
    "gap in front": weights({"a": entry([1], 4, 8)}, EIGHT),
    "rest": weights({"a": entry([1], 0, 4)}, EIGHT),
    "cut": weights({"a": entry([2], 0, 8)}, FOUR),
    "overflow": weights({"a": entry([2**32, 2**32], 0, 0)}),
    "terabytes": weights({"a": entry([10**12], 0, 4 * 10**12)}),
    "negative": weights({"a": entry([-1, -2], 0, 8)}, EIGHT),
    "shape of floats": weights({"a": entry([2.0], 0, 8)}, EIGHT),
    "unknown type": weights({"a": entry([2], 0, 8, "F8_E4M3")}, EIGHT),
    "too many dimensions": weights({"a": entry([1] * 100, 0, 4)}, FOUR),
    "brackets": weights(b'{"a":' * 100_000),
    "a list": weights(b"[]"),
    "digits": weights(b'{"a":' + b"9" * 5000 + b"}"),
    "no header": b"\x02",
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_of_another_layout_are_refused_before_they_are_read(tmp_path, kind):
    (tmp_path / "w").write_bytes(WEIGHTS[kind])
    with pytest.raises(GalvaeError, match=r"w: expected a safetensors file, received a damaged one \(.*\)$"):
        read_weights(tmp_path / "w")


@pytest.mark.parametrize(
    "text", ["[1]", "", "{", '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"]
)
def test_json_that_is_no_object_is_one_line(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(GalvaeError, match=r"x\.json: expected a JSON object, received a damaged one \(.*\)$"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("opening", ['{"a": ', "["])
def test_json_is_read_to_a_depth_at_which_nothing_fails(tmp_path, opening):
    closing = "}" if opening[0] == "{" else "]"
    for depth in (18, 20, 21, 500):
        text = opening * depth + "[]" + closing * depth
        (tmp_path / "x.json").write_text(f'{{"b": {text}}}')
        if depth <= 18:
            assert read_json(tmp_path / "x.json")["b"]
            continue
        with pytest.raises(GalvaeError, match=r"received a damaged one \(more than 20 levels\)$"):
            read_json(tmp_path / "x.json")


def test_a_header_is_as_large_as_the_names_of_its_arrays_need(tmp_path):
    """One of 10 MB takes seconds to read, and the run that it belongs to is not opened in the end."""
    names = [f"encoder/conv{number}/kernel" for number in range(40)]
    entries = {name: entry([3, 3, 4096, 4096], 0, 0) for name in names}
    assert len(json.dumps(entries)) < largest_header(names) < 30_000
    many = {f"{number}": entry([0], 0, 0) for number in range(200)}
    (tmp_path / "w").write_bytes(weights(many))
    assert len(weights_header(tmp_path / "w")) == 200
    length = len(json.dumps(many))
    assert len(weights_header(tmp_path / "w", length)) == 200
    with pytest.raises(
        GalvaeError, match=f"a header of {length} bytes in {length + 8}, more than {length - 1} for"
    ):
        weights_header(tmp_path / "w", length - 1)
    (tmp_path / "w").write_bytes(weights(b'{"a":' + b" " * 10_000_000 + b"}"))
    for read in (weights_header, read_weights):
        with pytest.raises(GalvaeError, match="a header of 10000006 bytes"):
            read(tmp_path / "w")


@pytest.mark.parametrize("read", [read_json, read_weights, lambda path: read_npz(path, ["a"])])
def test_a_pipe_is_not_waited_for_and_a_device_not_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        with pytest.raises(GalvaeError, match="not a regular file"):
            read(tmp_path / name)
    with pytest.raises(GalvaeError, match="received no such file"):
        read(tmp_path / "none")
    (tmp_path / "large").write_bytes(b"")
    os.truncate(tmp_path / "large", 10**12)  # sparse: it takes no place
    with pytest.raises(GalvaeError, match="received a damaged one"):
        read(tmp_path / "large")
