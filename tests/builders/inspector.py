"""The tab "Galaxy" of an explorer page in a browser: what tests look at and press."""

import re

import numpy as np

ORIGINAL, RECONSTRUCTION, EDITED = (f".images figure:nth-child({number}) canvas" for number in (1, 2, 3))
SLIDERS = "#inspector .sliders input[type=range]"


def button(page, name):
    return page.locator("#inspector").get_by_role("button", name=name, exact=True)


def begin_walk(page):
    """Presses the button that begins a walk at the galaxy that is shown."""
    page.locator("#inspector").get_by_role("button", name=re.compile("^Walk from")).click()


def settle(page):
    """Waits until the last code is decoded and drawn."""
    page.evaluate(
        "async () => { do await new Promise(requestAnimationFrame); while (explorer.decoding.waiting) }"
    )


def settle_neighbours(page):
    """Waits until the galaxies nearest to the last code stand there."""
    settle(page)
    page.wait_for_timeout(250)


def pixels(page, selector):
    """The pixels of a canvas, (H, W, 3) float."""
    settle(page)
    height, width, *values = page.evaluate(
        """(selector) => {
            const canvas = document.querySelector(selector);
            const copy = new OffscreenCanvas(canvas.width, canvas.height); // Chromium warns of reading one often
            const pen = copy.getContext("2d");
            pen.drawImage(canvas, 0, 0);
            return [copy.height, copy.width, ...pen.getImageData(0, 0, copy.width, copy.height).data];
        }""",
        selector,
    )
    return np.reshape(values, (height, width, 4))[..., :3].astype(float)


def numbers(page, key):
    """A code or condition of the page's state."""
    return np.array(page.evaluate(f"Array.from(explorer.store.get().{key})"), np.float32)


def show(page, galaxy):
    page.evaluate("(galaxy) => explorer.store.set({ galaxy })", galaxy)


def codes_of(contents):
    return contents[1]["codes"].astype(np.float32)


def press(page, slider, key, times=1):
    slider.focus()
    for _ in range(times):
        page.keyboard.press(key)
