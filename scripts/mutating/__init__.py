"""Lists of mistakes for scripts/mutants.py, one module per subject, each with MUTANTS, sorted by file."""
