"""Buttons that show a galaxy elsewhere: the right addresses, and none before a click."""

import numpy as np
import pytest
from builders.explorer import synthetic

pytestmark = pytest.mark.slow


def with_positions(ra, dec):
    """Contents whose galaxies all have one position."""
    manifest, arrays, sheets = synthetic(count=40)
    for column in manifest["columns"]:
        if column["name"] in ("ra", "dec"):
            arrays[column["array"]] = np.full(40, ra if column["name"] == "ra" else dec)
    return manifest, arrays, sheets


def show_first(page):
    """Shows the first galaxy in the side panel, and takes down what would be opened."""
    page.evaluate("window.opened = []; window.open = (...words) => window.opened.push(words); null")
    page.fill("#search input", "galaxy 0")
    page.press("#search input", "Enter")


def opened(page, label):
    """The address that a button opens, in a tab that knows nothing of the page."""
    page.click(f".sky-links >> text={label}")
    address, target, features = page.evaluate("window.opened.pop()")
    assert (target, features) == ("_blank", "noopener")
    return address


def test_addresses_have_the_position_and_wait_for_a_click(open_page):
    page = open_page(with_positions(189.2, -62.25))
    show_first(page)
    page.wait_for_selector(".sky-links button")
    assert page.evaluate("window.opened.length") == 0
    assert page.evaluate("Array.from(document.querySelectorAll('[src], [href]')).length") == 0
    wanted = {
        "Legacy Survey": "https://www.legacysurvey.org/viewer?ra=189.2&dec=-62.25&layer=ls-dr10&zoom=16&mark=189.2,-62.25",
        "SDSS": "https://skyserver.sdss.org/dr18/VisualTools/navi?ra=189.2&dec=-62.25&scale=0.2",
        "ESASky": "https://sky.esa.int/esasky/?target=189.2%20-62.25&fov=0.03&cooframe=J2000&sci=true&lang=en",
        "SIMBAD": "https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=189.2d-62.25d&CooFrame=ICRS&Radius=10&Radius.unit=arcsec",
    }
    for label, address in wanted.items():
        assert opened(page, label) == address


def test_positive_declinations_and_small_numbers_are_read_by_servers(open_page):
    page = open_page(with_positions(-0.0000001, 3e-7))
    show_first(page)
    assert "Coord=0d%2B0d&" in opened(page, "SIMBAD")


@pytest.mark.parametrize("position", [(np.nan, 1.0), (12.0, 91.0)])
def test_unknown_positions_have_a_sentence_and_no_button(open_page, position):
    page = open_page(with_positions(*position))
    show_first(page)
    page.wait_for_selector(".sky-links >> text=RA and Dec of this galaxy are unknown")
    assert page.locator(".sky-links button").count() == 0


def test_galaxies_without_positions_have_nothing(open_page):
    manifest, arrays, sheets = synthetic(count=40)
    manifest |= {"ra": None, "dec": None}
    page = open_page((manifest, arrays, sheets))
    show_first(page)
    page.wait_for_selector("#inspector dl")
    assert page.locator(".sky-links").count() == 0
