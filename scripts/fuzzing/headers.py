"""Headers and states of a stranger's own making, with manifests and checksums that agree with them."""

import hashlib
import io
import json
import struct
import warnings
import zipfile

from hypothesis import strategies as st

from fuzzing import drawn
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
places = st.integers(0, 10**6)
weights = st.one_of(
    st.tuples(st.just("shape"), places, st.lists(NUMBERS, max_size=4)),
    st.tuples(st.just("dtype"), places, DTYPES),
    st.tuples(st.just("offsets"), places, st.lists(NUMBERS, min_size=2, max_size=2)),
    st.tuples(st.just("entry"), places, VALUES),
    st.tuples(st.sampled_from(["without", "twice", "exchanged", "same bytes"]), places),
    st.tuples(st.just("rename"), places, st.text(max_size=10)),
    st.tuples(st.just("more"), st.text(max_size=10), st.lists(NUMBERS, max_size=4), DTYPES),
    st.tuples(st.just("length"), NUMBERS),
    st.tuples(
        st.just("raw"),
        st.sampled_from([b"", b"{}", b"[]", b"null", b"1", b'{"a":' * 50_000, b"[" * 99_999, b"\xff"]),
    ),
    st.tuples(st.sampled_from(["cut", "grown"]), places),
    st.tuples(st.just("metadata"), VALUES),
)
states = st.tuples(st.just("state"), places, VALUES)
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
        places,
        DESCRS,
        st.sampled_from(["False", "True", "0", "None"]),
        st.lists(NUMBERS, max_size=4),
    ),
    st.tuples(
        st.just("header text"),
        places,
        st.one_of(st.text(max_size=40), st.sampled_from(["(" * 9000, "1" * 9000, "-" * 9000])),
    ),
    st.tuples(st.just("version"), places, st.binary(min_size=2, max_size=2)),
    st.tuples(st.just("content"), places, st.binary(max_size=40)),
    st.tuples(st.just("pickle"), places),
    st.tuples(
        st.just("name"),
        places,
        st.sampled_from(["../x.npy", "/x.npy", "train.npy", "x", "x.npy", "", "a\\b.npy"]),
    ),
    st.tuples(st.sampled_from(["twice", "without", "compressed"]), places),
    st.tuples(st.just("sizes"), places, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("bytes"), places, st.binary(min_size=1, max_size=3)),
)
targets = st.one_of(
    st.tuples(st.just(f"{CHECKPOINT}/best.safetensors"), weights),
    st.tuples(st.just(f"{CHECKPOINT}/state.json"), states),
    st.tuples(st.sampled_from(["split.npz", "codes/all.npz", "umap/embedding.npz"]), npz),
)


def cases(count, seed):
    """(file, mutation)."""
    return drawn(targets, count, seed)


def prepare(folder):
    """Makes the runs."""
    warnings.filterwarnings("ignore", "Duplicate name")
    State["runs"] = Runs(folder)


def check(case):
    """The outcome of reading a run with a forged file; only a refusal or the same arrays are right."""
    name, mutation = case
    runs = State["runs"]
    path = runs.copy / name
    content = path.read_bytes()
    forge = {"state.json": state, "best.safetensors": header}.get(path.name, archive)
    path.write_bytes(forge(content, *mutation))
    if name.startswith(CHECKPOINT):
        seal(path.parent)
    try:
        outcome, text = runs.judged()
    finally:
        path.write_bytes(content)
        seal(runs.copy / CHECKPOINT)
    if (
        outcome == "wrong"
        and path.name == "state.json"
        and text.startswith(("state:", "results:", "weights:"))
    ):
        return "clean", text  # a state that can be, of which only its author knows that it was another
    return outcome, text


def seal(folder):
    """Writes the manifest that agrees with a checkpoint's files."""
    manifest = {}
    for path in sorted(folder.iterdir()):
        if path.name != "manifest.json":
            content = path.read_bytes()
            manifest[path.name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def state(content, kind, place, value):
    """A state.json with one value exchanged, at any depth."""
    values = json.loads(content)
    holders = [(values, key) for key in values]
    for holder, key in holders:
        inner = holder[key]
        if isinstance(inner, dict | list):
            holders += [(inner, each) for each in (inner if isinstance(inner, dict) else range(len(inner)))]
    holder, key = holders[place % len(holders)]
    holder[key] = value
    return json.dumps(values).encode()


def header(content, kind, place, *more):
    """A safetensors file with one thing of its header changed."""
    (length,) = struct.unpack("<Q", content[:8])
    entries, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    if kind == "raw":
        return struct.pack("<Q", len(place)) + place + data
    if kind == "length":
        return struct.pack("<Q", place % 2**64) + content[8:]
    if kind == "cut":
        return content[: place % len(content)]
    if kind == "grown":
        return content + bytes(1 + place % 100)
    if kind == "metadata":
        entries["__metadata__"] = place
    elif kind == "more":
        entries[place] = {"dtype": more[1], "shape": more[0], "data_offsets": [len(data), len(data)]}
    else:
        names = list(entries)
        name, other = names[place % len(names)], names[(place + 1) % len(names)]
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


def archive(content, kind, place, *more):
    """An .npz file with one thing of a member or of the archive changed, checksums included."""
    if kind in ("sizes", "bytes"):
        content = bytearray(content)
        found = [index for index in range(len(content)) if content[index : index + 4] == b"PK\x01\x02"]
        if kind == "sizes":
            start = found[place % len(found)] + 20
            content[start : start + 8] = struct.pack("<II", *more)
        else:  # in the directory and behind it, which no checksum covers
            start = found[0] + place % (len(content) - found[0])
            content[start : start + len(more[0])] = more[0]
        return bytes(content)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        members = [(name, opened.read(name)) for name in opened.namelist()]
    index = place % len(members)
    name, array = members[index]
    (length,) = struct.unpack("<H", array[8:10])
    data = array[10 + length :]
    if kind == "header":
        text = f"{{'descr': '{more[0]}', 'fortran_order': {more[1]}, 'shape': ({', '.join(map(str, more[2]))},), }}\n"
        members[index] = name, member(text, data)
    elif kind == "header text":
        members[index] = name, member(more[0], data)
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
    written = io.BytesIO()
    compression = zipfile.ZIP_DEFLATED if kind == "compressed" else zipfile.ZIP_STORED
    with zipfile.ZipFile(written, "w", compression) as target:
        for name, array in members:
            target.writestr(zipfile.ZipInfo(name), array, compression)
    return written.getvalue()


def member(text, data):
    """An array with a header of its own making."""
    header = text.encode("utf-8", "surrogatepass")[:65535]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data
