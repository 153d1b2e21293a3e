"""What trackers have recorded, read back: event files of TensorBoard, and the directories of W&B's offline runs."""

import io
import json
import struct
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

BLOCK = 32768  # bytes, of W&B's log, in which no record's header lies across two


@dataclass
class Record:
    """What is known of a run.

    Attributes:
        rows: name -> list of (epoch, value), in the order of writing, without what counts no more.
        times: the times of the epochs, in seconds since 1970; None: not recorded.
        figures: name -> array (H, W, 4).
        numbers: name -> value.
        config: text or dict.
        status: how it ended.
        name: of the run; None: not recorded.
    """

    rows: dict = field(default_factory=dict)
    times: list | None = None
    figures: dict = field(default_factory=dict)
    numbers: dict = field(default_factory=dict)
    config: object = None
    status: str | None = None
    name: str | None = None


def pixels(png):
    """A PNG file, or its bytes, as an array (H, W, 4)."""
    return np.asarray(Image.open(io.BytesIO(png) if isinstance(png, bytes) else png).convert("RGBA"))


def read_tensorboard(folder):
    """Reads all event files in a folder as TensorBoard does."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    record = Record()
    for tag in events.Tags()["scalars"]:
        values = [(event.step, event.value) for event in events.Scalars(tag)]
        if tag.startswith("history/"):
            record.rows[tag.removeprefix("history/")] = values
        else:
            record.numbers[tag] = values[-1][1]
    record.times = [event.wall_time for event in events.Scalars("history/loss")] if record.rows else None
    record.figures = {
        tag: pixels(events.Images(tag)[-1].encoded_image_string) for tag in events.Tags()["images"]
    }
    texts = {tag: events.Tensors(tag)[-1].tensor_proto.string_val for tag in events.Tags()["tensors"]}
    record.config = json.loads(texts["config"][0].decode().strip("`")) if "config" in texts else None
    record.status = texts["status"][0].decode() if "status" in texts else None
    return record


def read_wandb(folder):
    """Reads all offline runs in a folder, in the order in which `wandb sync` sends them."""
    record = Record(config={})
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for message in _messages(path):
            if message.HasField("run"):
                record.name = message.run.display_name
                record.config |= {item.key: json.loads(item.value_json) for item in message.run.config.update}
                record.config.pop("_wandb", None)
            for item in message.history.item:
                _take(record, _name(item), json.loads(item.value_json), message.history.step.num, path.parent)
            for item in message.summary.update:
                _take(record, _name(item), json.loads(item.value_json), None, path.parent)
    return record


def _take(record, name, value, step, folder):
    if isinstance(value, dict) and value.get("_type") == "image-file":
        name, value = f"{name}/path", value["path"]
    figure, _, entry = name.rpartition("/")
    if "/figures/" in figure:  # in a row of the history, each entry stands alone
        if entry == "path":
            record.figures[figure] = pixels(folder / "files" / value)
    elif name.startswith("history/"):
        if step is not None:
            record.rows.setdefault(name.removeprefix("history/"), []).append((step, value))
    elif name == "status":
        record.status = value
    elif not name.startswith("_") and name != "epoch":
        record.numbers[name] = value


def _name(item):
    return item.key or "/".join(item.nested_key)


def _messages(path):
    """The records of a .wandb file: a log of LevelDB, whose records hold messages of Protocol Buffers."""
    from wandb.proto.wandb_internal_pb2 import Record as Message

    data, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = BLOCK - position % BLOCK
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Message.FromString(parts)
            parts = b""
