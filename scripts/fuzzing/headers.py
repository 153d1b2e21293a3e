"""Forged headers and states in the files of a run, with manifests and checksums that agree with them."""

import hashlib
import io
import json
import struct
import warnings
import zipfile

from hypothesis import strategies as st

from fuzzing import draw_cases
from fuzzing.runs import Runs

State = {}
CHECKPOINT = "checkpoints/epoch-0002"
NUMBERS = st.one_of(
    st.sampled_from(
        [0, 1, 2, 3, 4, 8, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**12, 10**400, -1, -(2**63)]
    ),
    st.integers(-(2**65), 2**65),
)
VALUES = st.one_of(
    NUMBERS,
    st.sampled_from(
        [None, True, "", "x", "F32", 1.5, float("nan"), [], {}, [[]], [1], [1, 2, 3], "a" * 5000, {"a": 1}]
    ),
    st.text(max_size=10),
    st.lists(NUMBERS, max_size=5),
)
DTYPES = st.sampled_from(
    ["F64", "F32", "F16", "BF16", "F8_E4M3", "I64", "I8", "U64", "BOOL", "C64", "F4", "", None, 3, "|O"]
)
positions = st.integers(0, 10**6)
weights = st.one_of(
    st.tuples(st.just("shape"), positions, st.lists(NUMBERS, max_size=4)),
    st.tuples(st.just("dtype"), positions, DTYPES),
    st.tuples(st.just("offsets"), positions, st.lists(NUMBERS, min_size=2, max_size=2)),
    st.tuples(st.just("entry"), positions, VALUES),
    st.tuples(st.sampled_from(["without", "twice", "exchanged", "same bytes"]), positions),
    st.tuples(st.just("rename"), positions, st.text(max_size=10)),
    st.tuples(st.just("more"), st.text(max_size=10), st.lists(NUMBERS, max_size=4), DTYPES),
    st.tuples(st.just("length"), NUMBERS),
    st.tuples(
        st.just("raw"),
        st.sampled_from([b"", b"{}", b"[]", b"null", b"1", b'{"a":' * 50_000, b"[" * 99_999, b"\xff"]),
    ),
    st.tuples(st.sampled_from(["cut", "grown"]), positions),
    st.tuples(st.just("metadata"), VALUES),
)
states = st.tuples(st.just("state"), positions, VALUES)
DESCRS = st.sampled_from(
    [
        "<i8",
        "<i4",
        "<f4",
        "<f8",
        ">i8",
        "|O",
        "O",
        "<U0",
        "<U9",
        "|S3",
        "<c8",
        "<M8[ns]",
        "|V8",
        "",
        "i",
        "<i8'",
        "<i999999999",
    ]
)
npz = st.one_of(
    st.tuples(
        st.just("header"),
        positions,
        DESCRS,
        st.sampled_from(["False", "True", "0", "None"]),
        st.lists(NUMBERS, max_size=4),
    ),
    st.tuples(
        st.just("header text"),
        positions,
        st.one_of(st.text(max_size=40), st.sampled_from(["(" * 9000, "1" * 9000, "-" * 9000])),
    ),
    st.tuples(st.just("version"), positions, st.binary(min_size=2, max_size=2)),
    st.tuples(st.just("content"), positions, st.binary(max_size=40)),
    st.tuples(st.just("pickle"), positions),
    st.tuples(
        st.just("name"),
        positions,
        st.sampled_from(["../x.npy", "/x.npy", "train.npy", "x", "x.npy", "", "a\\b.npy"]),
    ),
    st.tuples(st.sampled_from(["twice", "without", "compressed"]), positions),
    st.tuples(st.just("sizes"), positions, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("bytes"), positions, st.binary(min_size=1, max_size=3)),
)
targets = st.one_of(
    st.tuples(st.just(f"{CHECKPOINT}/best.safetensors"), weights),
    st.tuples(st.just(f"{CHECKPOINT}/state.json"), states),
    st.tuples(st.sampled_from(["split.npz", "codes/all.npz", "umap/embedding.npz"]), npz),
)


def cases(count, seed):
    """Draws cases (file, mutation)."""
    return draw_cases(targets, count, seed)


def prepare(folder):
    """Creates the runs."""
    warnings.filterwarnings("ignore", "Duplicate name")
    State["runs"] = Runs(folder)


def check(case):
    """Reads a run with a forged file, which must be refused or give the original arrays; returns outcome and text."""
    name, mutation = case
    runs = State["runs"]
    path = runs.copy / name
    content = path.read_bytes()
    forge = {"state.json": forge_state, "best.safetensors": forge_safetensors}.get(path.name, forge_npz)
    path.write_bytes(forge(content, *mutation))
    if name.startswith(CHECKPOINT):
        write_manifest(path.parent)
    try:
        outcome, text = runs.read_copy()
    finally:
        path.write_bytes(content)
        write_manifest(runs.copy / CHECKPOINT)
    if (
        outcome == "wrong"
        and path.name == "state.json"
        and text.startswith(("state:", "results:", "weights:"))
    ):
        return "clean", text  # a possible state, which nothing distinguishes from a genuine one
    return outcome, text


def write_manifest(folder):
    """Writes a manifest that agrees with a checkpoint's files.

    Args:
        folder: of the checkpoint.
    """
    manifest = {}
    for path in sorted(folder.iterdir()):
        if path.name != "manifest.json":
            content = path.read_bytes()
            manifest[path.name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def forge_state(content, kind, position, value):
    """Content of a state.json with one value replaced, at any depth."""
    values = json.loads(content)
    entries = [(values, key) for key in values]
    for container, key in entries:  # grows while it is read
        inner = container[key]
        if isinstance(inner, dict | list):
            entries += [(inner, each) for each in (inner if isinstance(inner, dict) else range(len(inner)))]
    container, key = entries[position % len(entries)]
    container[key] = value
    return json.dumps(values).encode()


def forge_safetensors(content, kind, position, *more):
    """Content of a safetensors file with one change in its header."""
    (length,) = struct.unpack("<Q", content[:8])
    entries, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    if kind == "raw":
        return struct.pack("<Q", len(position)) + position + data
    if kind == "length":
        return struct.pack("<Q", position % 2**64) + content[8:]
    if kind == "cut":
        return content[: position % len(content)]
    if kind == "grown":
        return content + bytes(1 + position % 100)
    if kind == "metadata":
        entries["__metadata__"] = position
    elif kind == "more":
        entries[position] = {"dtype": more[1], "shape": more[0], "data_offsets": [len(data), len(data)]}
    else:
        names = list(entries)
        name, other = names[position % len(names)], names[(position + 1) % len(names)]
        if kind in ("shape", "dtype"):
            entries[name][kind] = more[0]
        elif kind == "offsets":
            entries[name]["data_offsets"] = more[0]
        elif kind == "entry":
            entries[name] = more[0]
        elif kind == "without":
            del entries[name]
        elif kind == "rename":
            entries[more[0]] = entries.pop(name)
        elif kind == "exchanged":
            entries[name]["data_offsets"], entries[other]["data_offsets"] = (
                entries[other]["data_offsets"],
                entries[name]["data_offsets"],
            )
        elif kind == "same bytes":
            entries[name] = entries[other]
    text = json.dumps(entries).encode()
    if kind == "twice":
        text = text[:-1] + b", " + text[1:]
    return struct.pack("<Q", len(text)) + text + data


def forge_npz(content, kind, position, *more):
    """Content of an .npz file with one change in a member or in the archive, checksums included."""
    if kind in ("sizes", "bytes"):
        content = bytearray(content)
        entries = [index for index in range(len(content)) if content[index : index + 4] == b"PK\x01\x02"]
        if kind == "sizes":
            start = entries[position % len(entries)] + 20
            content[start : start + 8] = struct.pack("<II", *more)
        else:  # in the central directory and after it, which no checksum covers
            start = entries[0] + position % (len(content) - entries[0])
            content[start : start + len(more[0])] = more[0]
        return bytes(content)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = [(name, file.read(name)) for name in file.namelist()]
    index = position % len(members)
    name, array = members[index]
    (length,) = struct.unpack("<H", array[8:10])
    data = array[10 + length :]
    if kind == "header":
        text = f"{{'descr': '{more[0]}', 'fortran_order': {more[1]}, 'shape': ({', '.join(map(str, more[2]))},), }}\n"
        members[index] = name, npy(text, data)
    elif kind == "header text":
        members[index] = name, npy(more[0], data)
    elif kind == "version":
        members[index] = name, array[:6] + more[0] + array[8:]
    elif kind == "content":
        members[index] = name, more[0]
    elif kind == "pickle":
        members[index] = name, b"\x80\x04\x95cposix\nsystem\n(S'touch /tmp/galvae-fuzz-was-here'\ntR."
    elif kind == "name":
        members[index] = more[0], array
    elif kind == "twice":
        members.append(members[index])
    elif kind == "without":
        del members[index]
    buffer = io.BytesIO()
    compression = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, array in members:
            target.writestr(zipfile.ZipInfo(name), array, compression)
    return buffer.getvalue()


def npy(text, data):
    """Content of an .npy file with a given header text."""
    header = text.encode("utf-8", "surrogatepass")[:65535]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data
