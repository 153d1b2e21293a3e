"""Datasets: read, checked, cached, split and handed over in batches."""
