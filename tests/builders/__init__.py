"""What several tests build: galaxies, files of surveys, configurations, models, processes."""
