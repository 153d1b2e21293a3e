"""Cases of scripts/benchmark.py, one module per subject: each case takes `quick` and returns rows of the table."""
