"""The schema of every command's configuration: keys, types, ranges and meanings; the values stand in conf/."""
