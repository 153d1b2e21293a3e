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
    assert count.inner_text() == "None of 300 galaxies selected"  # an empty selection is none
    assert page.locator("#selection >> text=Save as CSV").is_hidden()
    page.click("#selection >> text=Select all")
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


CHOOSE = "(galaxies) => explorer.store.set({ selection: Int32Array.from(galaxies), tab: 'selection' })"
CAPTIONS = """Array.from(
    document.querySelectorAll("#selection .means figure:not([hidden]) small"), (one) => one.textContent)"""


def test_no_image_of_the_selection_before_stays_as_if_it_were_of_the_new_one(open_page, contents):
    _, arrays, _ = contents
    first, second = arrays["thumbnails"][:20].tolist(), arrays["thumbnails"][20:30].tolist()
    page = open_page(contents)
    page.evaluate(CHOOSE, first)
    page.wait_for_selector("#selection [aria-busy='false'] .differences figure")
    assert page.evaluate(CAPTIONS) == ["of 20 stamps as displayed", "of 20 codes"]
    page.evaluate("""() => {
        const { thumbnails } = explorer.data;
        thumbnails.sheets.clear();
        thumbnails.decoded = () => new Promise((_, fail) => { window.fail = () => fail(new Error("no sheet")); });
    }""")
    page.evaluate(CHOOSE, second)
    montage = page.locator("#selection [aria-busy='true']", has=page.locator(".montage"))
    montage.wait_for()  # marked, while the stamps are read
    assert montage.evaluate("(one) => getComputedStyle(one.firstElementChild).opacity") == "0.15"
    page.wait_for_function("Boolean(window.fail)")
    page.evaluate("() => window.fail()")
    page.wait_for_selector("#selection [aria-busy='false'] .differences figure >> text=asymmetry")
    assert page.locator("#selection [aria-busy='true']").count() == 0
    assert page.evaluate(CAPTIONS) == ["of 10 codes"]
    assert page.locator("#selection .montage button").count() == 10
    assert page.inner_text("#message") == "no sheet"
    _, values = column_of(contents, "asymmetry")
    figure = page.locator("#selection .differences figure", has_text="asymmetry").inner_text()
    assert f"median {float(f'{np.nanmedian(values[second]):.3g}'):g}" in figure


@pytest.mark.parametrize("order", [[0, 2], [2, 0]], ids=["save first", "send first"])
def test_a_table_is_saved_and_sent_at_the_same_time(open_page, contents, order):
    page = open_page(contents)
    galaxies = select_class(page, contents)
    page.evaluate("() => { window.fetch = () => Promise.reject(new Error('nobody')); }")
    with page.expect_download():
        page.evaluate(
            "(order) => order.map((k) => document.querySelectorAll('.exports button')[k].click())", order
        )
    page.wait_for_function("!document.querySelector('.exports button:disabled')")
    saved, copied, sent = page.locator(".exports small").all_text_contents()
    assert f"_{len(galaxies)}.csv has" in saved and copied == ""
    assert sent.startswith("No SAMP hub answers")


def test_infinite_values_and_positions_have_histograms_of_their_own_scale(open_page, contents):
    manifest, arrays, sheets = contents
    random = np.random.default_rng(3)
    flux = np.exp(3 * random.normal(size=300)).clip(0.1).astype(np.float32)  # a fifth at the lowest value
    flux[::10] = np.inf
    changed = {"column asymmetry": flux, "column ra": 1 + np.exp(random.normal(size=300)) / 9}
    page = open_page((manifest, arrays | changed, sheets))
    page.evaluate(CHOOSE, list(range(0, 300, 2)))
    page.wait_for_selector("#selection .differences figure")
    for name in ("asymmetry", "ra"):
        page.select_option("#selection select", name)
        page.wait_for_selector(f"#selection .differences figure:first-child >> text={name}")
    figures = page.locator("#selection .differences figure")
    positions, fluxes = figures.nth(0).inner_text(), figures.nth(1).inner_text()
    assert "log" not in positions
    assert "log, 30 unknown" in fluxes and "0.1" in fluxes and "KS 0." in fluxes
    height = (
        figures.nth(1)
        .locator("canvas")
        .evaluate("""(one) => {
        const { width, height } = one;
        const pixels = one.getContext("2d").getImageData(0, 0, width, height).data;
        const x = Math.floor(width / 36); // inside of the first bin
        const isInk = (_, y) => pixels[4 * (y * width + x) + 3] > 0;
        return Array.from({ length: height }, isInk).filter(Boolean).length / height;
    }""")
    )
    assert height > 0.9  # the pile at the lowest value is in the first bin
