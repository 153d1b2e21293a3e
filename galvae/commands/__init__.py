"""Commands of the command line: each module has a function `main(config, output_dir)`."""
