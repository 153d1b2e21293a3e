"""The whole page in Chromium: the right stamp under the pointer, and hundreds of thousands of galaxies."""

import time

import numpy as np
import pytest
from builders.explorer import synthetic
from builders.galaxies import ellipses

from galvae.explorer.page import write_page

# Where a galaxy of the plane is in the window, in pixels.
AT = """(galaxy) => {
    const { view, points, canvas } = explorer.plane;
    const box = canvas.getBoundingClientRect();
    return [box.left + view.left(points.xs[galaxy]), box.top + view.top(points.ys[galaxy])];
}"""
TOOLTIP = """() => {
    const canvas = document.querySelector(".tooltip canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
    return [canvas.width, canvas.height, Array.from(pixels).filter((_, i) => i % 4 < 3)];
}"""


def test_the_stamp_under_the_pointer_is_that_of_the_galaxy(open_page):
    page = open_page(synthetic(40, thumbnails=40))
    stamps = ellipses(40, (16, 16)).astype(float)
    for galaxy in (3, 17, 39):
        page.mouse.move(*page.evaluate(AT, galaxy))
        page.wait_for_selector(f'.tooltip[data-galaxy="{galaxy}"]')
        width, height, pixels = page.evaluate(TOOLTIP)
        shown = np.reshape(pixels, (height, width, 3))[:: height // 16, :: width // 16]
        errors = np.abs(stamps - shown).mean(axis=(1, 2, 3))
        assert errors.argmin() == galaxy and errors[galaxy] < 10
        assert f"galaxy {galaxy}" in page.text_content(".tooltip")


@pytest.mark.slow
def test_300_000_galaxies_are_ready_and_redrawn_in_time(open_page, tmp_path):
    path = write_page(tmp_path / "explorer.html", *synthetic(300_000, latent_dim=32))
    assert path.stat().st_size < 60e6
    openings = []
    for _ in range(
        3
    ):  # the best of each counts: what other programs take meanwhile says nothing about the page
        begin = time.perf_counter()
        page = open_page(address=path.as_uri())
        openings.append(time.perf_counter() - begin)
    redraw = "(explorer.plane.zoom(1.01), explorer.plane.draw(), explorer.plane.redrawn)"
    redraws = [page.evaluate(redraw) for _ in range(15)]
    print(
        f"ready in {min(openings):.2f} s, redrawn in {min(redraws):.0f} ms (median {np.median(redraws):.0f} ms)"
    )
    # Three times what a machine takes at most that does nothing else: 3 s and 50 ms.
    assert min(openings) < 9
    assert min(redraws) < 150
