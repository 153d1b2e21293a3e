"""Mistakes of the GPU checks, and of what is said where a package is missing, that the tests must catch."""

from mutating.mutant import Mutant

MUTANTS = [
    Mutant(
        "a package that the backend needs is missing, and the backend is named",
        "galvae/backend/setup.py",
        "missing = (error.name or backend)",
        "missing = backend",
        "tests/backend/test_setup.py::test_the_package_that_is_missing_is_named",
    ),
    Mutant(
        "a check that crashed has passed with what it found before",
        "scripts/gpu_checking/running.py",
        "if process.returncode < 0:",
        "if process.returncode < -99:",
        "tests/project/test_gpu_check.py::test_a_check_that_breaks_is_a_failed_row_below_what_it_found",
    ),
    Mutant(
        "the processes of a check that hangs go on",
        "scripts/gpu_checking/running.py",
        "os.killpg(process.pid, signal.SIGKILL)",
        "process.kill()",
        "tests/project/test_gpu_check.py::test_a_check_that_hangs_is_ended_with_the_processes_that_it_started",
    ),
    Mutant(
        "time in which two kernels run counts twice",
        "scripts/gpu_checking/steps.py",
        "busy += max(0, end - max(start, reached))",
        "busy += end - start",
        "tests/project/test_gpu_check.py::test_the_device_is_busy_while_any_kernel_runs",
    ),
    Mutant(
        "the image leaves out a file that the installation reads",
        "scripts/container/Dockerfile",
        "README.md LICENSE CITATION.cff ./",
        "README.md LICENSE ./",
        "tests/project/test_container.py::test_the_images_have_all_that_the_installation_reads",
    ),
]
