"""Run directories: what training writes and every later command reads."""
