"""A short form of scripts/fuzz_data.py: damaged data files and cache entries are read right, refused, or rebuilt."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz_data.py"


@pytest.mark.slow
def test_damaged_files_and_entries_do_no_harm():
    # In a process of its own, because it forks, which this one's threads would not survive.
    command = [sys.executable, SCRIPT, "--files", "32", "--entries", "10", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    files, entries = (line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith("total"))
    assert files[1] == "32" and "clean" in files[2] and "refused" in files[2]
    assert entries[1:] == ["10", "clean 10"]
