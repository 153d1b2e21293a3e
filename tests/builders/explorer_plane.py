"""The plane of a page in a browser, for tests of what pointers, keys and controls do with known galaxies."""

import numpy as np

from builders.explorer import synthetic

WINDOW = {"width": 1200, "height": 800}


class Plane:
    """A page's plane: its state, and places of the data in the window."""

    def __init__(self, page):
        self.page = page

    def state(self, expression):
        """The value of an expression of the store's state `s` and of the app `a`."""
        return self.page.evaluate(
            f"() => {{ const a = window.explorer, s = a.store.get(); return {expression}; }}"
        )

    def view(self):
        """(x, y, scale of x, scale of y) at the centre."""
        return np.array(
            self.state(
                "[a.plane.view.camera.x, a.plane.view.camera.y, a.plane.view.scaleX, a.plane.view.scaleY]"
            )
        )

    def window(self, x, y):
        """Where in the window data are."""
        left, top = self.state(f"[a.plane.view.left({x}), a.plane.view.top({y})]")
        box = self.page.locator(".density").bounding_box()
        return box["x"] + left, box["y"] + top

    def data(self, left, top):
        """Which data are where in the window."""
        box = self.page.locator(".density").bounding_box()
        x, y = self.state(f"Object.values(a.plane.view.at({left - box['x']}, {top - box['y']}))")
        return x, y

    def tool(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def drag(self, places):
        """Presses at the first place of the window, moves over the others, lets go."""
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=3)
        self.page.mouse.up()


def contents(xs, ys, **arrays):
    """A page with galaxies at known places, the first plane; other arrays of `synthetic` may be replaced."""
    manifest, before, sheets = synthetic(len(xs))
    places = {"column umap 1": np.float32(xs), "column umap 2": np.float32(ys)}
    return manifest, before | places | arrays, sheets


def grid():
    """Galaxies on a grid of 6 by 5, galaxy i at x = i % 6, y = i // 6 and a bit, so that no row is another's mirror."""
    index = np.arange(30)
    return contents(index % 6 + 0.02 * index, index // 6 + 0.1 * (index % 6) ** 2 / 5)
