"""galvae info: what a run, a bundle or an entry of the cache is."""

from galvae.runs.description import describe


def main(config):
    """Prints what it is, in about ten lines, and last its path.

    Args:
        config: InfoConfig.

    Raises:
        GalvaeError: if there is no such thing, or it is damaged.
    """
    lines, path = describe(config.run)
    for line in lines:
        print(line)
    print(path)
