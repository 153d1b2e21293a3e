"""The command line: from the words typed to an exit status."""
