import subprocess
import sys

from builders.processes import child_environment

CHILD = """
import sys
from galvae.cli.main import main

try:
    main(["train", f"resume={sys.argv[1]}", "epochs=2"])
except SystemExit as stop:
    print("exit status", stop.code)
print("imported:", *{"keras", "tensorflow", "matplotlib"} & set(sys.modules))
"""


def test_a_finished_run_is_answered_without_keras(trained, tmp_path):
    command = [sys.executable, "-c", CHILD, str(trained("vae"))]
    options = {"capture_output": True, "text": True, "cwd": tmp_path, "env": child_environment()}
    done = subprocess.run(command, check=True, **options)
    assert "already finished after 2 epochs" in done.stderr
    assert done.stdout.splitlines()[-2:] == ["exit status 0", "imported:"]
