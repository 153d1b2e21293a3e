"""Progress bars: on terminals only, and only for work that takes longer than a second."""

from tqdm import tqdm


def progress_bar(total, description, unit="img", **options):
    """A progress bar on standard error that draws nothing where that is a file or a pipe.

    Args:
        total: number of units when the work is done, None if unknown.
        description: word or two before the bar.
        unit: what is counted.
        options: further arguments of tqdm.

    Returns:
        tqdm bar, to be used in a `with` statement and advanced by its `update`.
    """
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        unit_scale=True,
        delay=1,
        disable=None,  # decided by whether the output is a terminal
        dynamic_ncols=True,
        **options,
    )
