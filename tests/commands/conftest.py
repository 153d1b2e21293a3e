"""What the commands draw."""

import pytest

from galvae import figures
from galvae.figures.canvas import rgb
from galvae.figures.style import Style
from galvae.runs.trained_run import TrainedRun


@pytest.fixture
def drawn(monkeypatch):
    """The figures that commands save, by the names of their files without the extension."""
    saved, save = {}, figures.save

    def keep(figure, path, *style, **note):
        saved[path.name] = figure
        return save(figure, path, *style, **note)

    monkeypatch.setattr(figures, "save", keep)
    return saved


@pytest.fixture
def reversed_bands(monkeypatch):
    """Has runs show their three bands in reverse order; returns the function of images in [0, 1] to their colours."""
    opened = TrainedRun.open

    def open_reversed(*arguments):
        run = opened(*arguments)
        run.config.dataset.rgb = [2, 1, 0]
        return run

    monkeypatch.setattr(TrainedRun, "open", open_reversed)
    return lambda images: rgb(images, Style(rgb=(2, 1, 0)))
