"""The tab "Selection" in a browser: which galaxies, how they differ, and what is taken along."""

import csv
import io
import shlex

import numpy as np
import pytest
from astropy.table import Table
from builders.explorer import HOSTILE, synthetic
from hydra.core.override_parser.overrides_parser import OverridesParser
from scipy.stats import ks_2samp

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def contents():
    """300 galaxies with two conditions, of which a hundred have stamps."""
    return synthetic(conditional=True)


def column_of(contents, name):
    """A column's entry in the manifest, and its array."""
    manifest, arrays, _ = contents
    (entry,) = [column for column in manifest["columns"] if column["name"] == name]
    return entry, arrays[entry["array"]]


def select_class(page, contents, name="edge-on"):
    """Selects the galaxies of a class by the legend; returns them."""
    page.click("#tab-selection")
    page.click(f"#legend >> text={name}")
    page.click("#selection >> text=Select highlighted")
    page.wait_for_selector("#selection .differences figure")
    entry, labels = column_of(contents, "class")
    return np.flatnonzero(labels == entry["classes"].index(name))


def downloaded(page, folder):
    """The file that "Save as CSV" saves, as text."""
    with page.expect_download() as download:
        page.click("#selection >> text=Save as CSV")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_text(encoding="utf-8")


def test_selection_is_counted_inverted_and_cleared(open_page, contents):
    page = open_page(contents)
    page.click("#tab-selection")
    count = page.locator("#selection .count")
    assert count.inner_text() == "None of 300 galaxies selected"
    assert page.locator("#selection >> text=Save as CSV").is_hidden()
    galaxies = select_class(page, contents)
    assert count.inner_text() == f"{len(galaxies)} of 300 galaxies, {100 * len(galaxies) / 300:.0f} %"
    page.click("#selection >> text=Invert")
    assert count.inner_text().startswith(f"{300 - len(galaxies)} of 300")
    page.click("#selection >> text=Select all")
    assert count.inner_text() == "300 of 300 galaxies, 100 %"
    page.click("#selection >> text=Invert")
    assert count.inner_text() == "0 of 300 galaxies, 0 %"
    page.click("#selection >> text='Clear'")
    assert count.inner_text() == "None of 300 galaxies selected"


def test_saved_table_has_the_selected_galaxies_and_all_digits(open_page, contents, tmp_path):
    manifest, arrays, _ = contents
    page = open_page(contents)
    galaxies = select_class(page, contents)
    table = Table.read(downloaded(page, tmp_path), format="csv")
    assert list(table["id"]) == [arrays["ids"][galaxy] for galaxy in galaxies]
    assert table.colnames[:3] == ["id", "ra", "dec"]
    assert set(table.colnames[1:]) == {column["name"] for column in manifest["columns"]}
    for column in manifest["columns"]:
        if column["kind"] == "number":
            latent = column["origin"] == "latent"
            stored = arrays["codes"][:, column["axis"]] if latent else arrays[column["array"]]
            read = np.ma.filled(np.ma.asarray(table[column["name"]], float), np.nan).astype(stored.dtype)
            np.testing.assert_array_equal(read, stored[galaxies])
    assert set(table["class"]) == {"edge-on"}


def test_histograms_have_the_numbers_of_scipy(open_page, contents):
    page = open_page(contents)
    galaxies = select_class(page, contents, "barred spiral")
    figures = {
        figure.locator("figcaption span").inner_text(): figure.inner_text()
        for figure in page.locator("#selection .differences figure").all()
    }
    assert next(iter(figures)) == "class"  # the column of the colour first
    _, labels = column_of(contents, "class")
    assert f"TV {1 - (labels[labels >= 0] == 0).mean():.2f}" in figures["class"]
    for title, name in (("asymmetry", "asymmetry"), ("redshift", "redshift"), ("ra (deg)", "ra")):
        _, values = column_of(contents, name)
        every, some = values[np.isfinite(values)].astype(float), values[galaxies].astype(float)
        unknown, some = np.isnan(some).sum(), some[np.isfinite(some)]
        assert f"KS {ks_2samp(some, every).statistic:.2f}" in figures[title]
        assert (
            f"median {float(f'{np.median(some):.3g}'):g}, all {float(f'{np.median(every):.3g}'):g}"
            in figures[title]
        )
        assert (f"{unknown} unknown" in figures[title]) == (unknown > 0)
    # Of measured columns the one that differs most stands first; those of the plane are left to the end.
    order = list(figures)
    assert order[1] == "asymmetry" and "umap 1" not in order
    page.select_option("#selection select", "umap 1")
    page.wait_for_selector("#selection .differences figure:first-child >> text=umap 1")


def test_montage_shows_galaxies_that_have_stamps(open_page, contents):
    _, arrays, _ = contents
    page = open_page(contents)
    galaxies = select_class(page, contents)
    pictured = [galaxy for galaxy in galaxies if galaxy in arrays["thumbnails"]]
    buttons = page.locator("#selection .montage button")
    assert buttons.count() == min(48, len(pictured))
    names = [button.get_attribute("title") for button in buttons.all()]
    assert names == [f"galaxy {arrays['ids'][galaxy]}" for galaxy in pictured]
    page.wait_for_selector(f"#selection .means >> text=of {len(pictured)} stamps")
    page.wait_for_selector(f"#selection .means >> text=of {len(galaxies)} codes")
    buttons.first.click()
    assert page.get_attribute("#tab-galaxy", "aria-selected") == "true"
    assert arrays["ids"][pictured[0]] in page.inner_text("#inspector")


def test_mean_image_is_the_mean_of_stamps(open_page, contents):
    """Of stamps as they are in the page, which are lossy."""
    page = open_page(contents)
    galaxies = select_class(page, contents)
    _, arrays, _ = contents
    pictured = [int(galaxy) for galaxy in galaxies if galaxy in arrays["thumbnails"]]
    page.wait_for_selector("#selection .means >> text=stamps")
    mean, single = page.evaluate(
        """() => {
            const pixels = (canvas) =>
                Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data);
            const stamps = Array.from(document.querySelectorAll("#selection .montage canvas"), pixels);
            return [pixels(document.querySelector("#selection .means canvas")), stamps];
        }"""
    )
    assert len(single) == len(pictured) <= 48
    wanted = np.mean(single, axis=0)
    np.testing.assert_allclose(mean, wanted, atol=0.51)
    assert np.std(wanted) > 5


def test_ids_are_copied_for_the_command_line(open_page, contents):
    _, arrays, _ = contents
    page = open_page(contents)
    galaxies = select_class(page, contents)
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.click("#selection >> text=Copy ids")
    page.wait_for_selector("#selection >> text=Copied")
    (word,) = shlex.split(page.evaluate("window.copied"))
    ids = [arrays["ids"][galaxy] for galaxy in galaxies]
    assert OverridesParser.create().parse_override(word).value() == ids


def test_without_a_clipboard_the_ids_are_marked(open_page, contents):
    page = open_page(contents)
    select_class(page, contents)
    page.evaluate("""
        Object.defineProperty(navigator, "clipboard", { value: undefined });
        document.execCommand = () => false;
    """)
    page.click("#selection >> text=Copy ids")
    page.wait_for_selector("#selection >> text=press Ctrl+C")
    marked = page.evaluate("document.getSelection().toString()")
    assert marked == page.input_value("#selection textarea") and marked.startswith("'id=[")


def test_too_many_ids_are_not_offered(open_page):
    page = open_page(synthetic(1500, latent_dim=2, thumbnails=0))
    page.click("#tab-selection")
    page.click("#selection >> text=Select all")
    assert page.locator("#selection >> text=Copy ids").is_disabled()
    assert "1,000 ids" in page.inner_text("#selection .exports")
    page.wait_for_selector("#selection h3 >> text=48 of 1,500, evenly spread, decoded")


def test_hostile_texts_stay_texts(open_page, tmp_path):
    manifest, arrays, sheets = synthetic(count=60, hostile=True)
    page = open_page((manifest, arrays, sheets))
    page.click("#tab-selection")
    page.click("#selection >> text=Select all")
    page.wait_for_selector("#selection .differences figure")
    assert page.evaluate("window.harmed") is None
    assert page.locator("#selection script, #selection img").count() == 0
    names = page.inner_text("#selection .differences")
    entry = next(column for column in manifest["columns"] if column.get("origin") == "class")
    assert HOSTILE[0] in entry["classes"] and HOSTILE[0] in names
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    rows = list(csv.reader(io.StringIO(downloaded(page, tmp_path), newline="")))
    saved = [row[0] for row in rows[1:]]
    assert saved == [
        text.encode("utf-8", "replace").decode().replace("?", "\ufffd") for text in arrays["ids"]
    ]
