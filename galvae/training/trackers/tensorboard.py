"""tracker=tensorboard: event files, which TensorBoard shows; written by its own package, without TensorFlow."""

import json
import os
import platform
import shlex
import struct
import time

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.metadata import SESSION_END_INFO_TAG, create_summary_metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter


class Tracker:
    """Event files in the run's folder, a further one for each time that the run is resumed.

    Steps are epochs. A further file begins with the mark by which TensorBoard forgets the epochs that are trained
    again.

    Args:
        run: TrackedRun.
    """

    def __init__(self, run):
        self.trains = run.trains
        self.next_epoch = min(run.written, run.epochs) + 1
        self.where = f"tensorboard --logdir {shlex.quote(str(run.folder))}"
        # TensorBoard reads files in the order of their names. Its own EventFileWriter has a second thread, whose errors
        # nobody sees, and calls TensorFlow where that is installed.
        name = f"events.out.tfevents.{time.time():.6f}.{platform.node()}.{os.getpid()}"
        self.file = open(run.folder / name, "xb")  # noqa: SIM115 (closed at the end)
        self.writer = RecordWriter(self.file)
        self._add(0, file_version="brain.Event:2")
        if run.trains:
            self._add(self.next_epoch, session_log=SessionLog(status=SessionLog.START))
            text = json.dumps(run.config, indent=1)
            self._add(run.epochs, summary=text_pb("config", f"```\n{text}\n```"))
            self._add(0, summary=hparams_pb(flat(run.config), trial_id=run.run_id))
        self.file.flush()

    def epoch(self, row, time):
        values = [
            Summary.Value(tag=f"history/{name}", simple_value=value)
            for name, value in row.items()
            if name != "epoch"
        ]
        self._add(row["epoch"], time, summary=Summary(value=values))
        self.file.flush()
        return True

    def figures(self, paths, epoch):
        for name, path in paths.items():
            png = path.read_bytes()
            width, height = struct.unpack(">II", png[16:24])  # of its header
            image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
            self._add(epoch, summary=Summary(value=[Summary.Value(tag=name, image=image)]))

    def numbers(self, values, epoch):
        values = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._add(epoch, summary=Summary(value=values))

    def end(self, status):
        if self.trains:
            success = STATUS_SUCCESS if status == "finished" else STATUS_FAILURE
            info = SessionEndInfo(status=success, end_time_secs=time.time())
            metadata = create_summary_metadata(HParamsPluginData(session_end_info=info))
            value = Summary.Value(tag=SESSION_END_INFO_TAG, metadata=metadata)
            self._add(0, summary=Summary(value=[value]))
            self._add(0, summary=text_pb("status", status))
        self.file.close()

    def _add(self, step, when=None, **content):
        event = Event(wall_time=when or time.time(), step=step, **content)
        self.writer.write(event.SerializeToString())


def flat(config, prefix=""):
    """A nested dict as one of numbers, truth values and texts, by names joined by dots, as hyperparameters are."""
    found = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return found
