"""Mistakes in what several processes tell each other, and in which of them this one is."""

from mutating.mutant import Mutant

PLACE = "tests/backend/test_place.py"
CONNECTIONS = "tests/backend/test_connections.py"

MUTANTS = [
    Mutant(
        "a batch script with several tasks waits for processes that nobody starts",
        "galvae/backend/place.py",
        'OF_STEP = ("SLURM_STEP_NUM_TASKS",',
        'OF_STEP = ("SLURM_NTASKS",',
        f"{PLACE}::test_a_task_of_srun_knows_its_place",
    ),
    Mutant(
        "the first node is named without its number's end",
        "galvae/backend/place.py",
        'numbers.partition(",")[0].partition("-")[0] + end',
        'numbers.partition(",")[0] + end',
        f"{PLACE}::test_the_first_of_the_nodes",
    ),
    Mutant(
        "processes of another job are let in",
        "galvae/backend/connections.py",
        'hello.get("job") != self.place.job',
        '"job" not in hello',
        f"{CONNECTIONS}::test_strangers_are_not_let_in_and_another_job_has_another_port",
    ),
    Mutant(
        "values of different places of the program are taken for each other",
        "galvae/backend/connections.py",
        'if message["what"] != what:',
        "if False:",
        f"{CONNECTIONS}::test_processes_at_different_places_are_a_defect",
    ),
    Mutant(
        "a job that was requeued meets processes that are left of its first time",
        "galvae/backend/place.py",
        'os.environ.get("SLURM_RESTART_COUNT", "0")',
        '"0"',
        f"{PLACE}::test_a_task_of_srun_knows_its_place",
    ),
    Mutant(
        "a process that has not waited for its answer is taken for one that is here",
        "galvae/backend/connections.py",
        "if refused is not None or stream.read(LONGEST_HELLO) != HERE:",
        "if refused is not None:",
        f"{CONNECTIONS}::test_a_process_that_has_not_waited_for_an_answer_may_come_again",
    ),
]
