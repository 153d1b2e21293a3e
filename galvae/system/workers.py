"""What processes do first that work for another one."""

import multiprocessing
import os
import signal
import threading


def end_with_parent():
    """Makes a worker ignore Ctrl-C, which its parent handles, and end when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
