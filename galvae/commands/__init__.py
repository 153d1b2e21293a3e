"""The commands: each module has `main(config, output_dir)`."""
