"""Texts, quantiles, kept sheets and addresses of the page, in V8 alone."""

import numpy as np
import py_mini_racer
import pytest
from builders.javascript import context, put, take


@pytest.fixture(scope="module")
def page():
    page = context("texts.js", "quantiles.js", "data/thumbnails.js", "fragment.js", "store.js")
    page.eval("""
        globalThis.column = (kind, value, unit = "") => ({ kind, unit, values: [value], classes: ["spiral"] });
        globalThis.setTimeout = (call) => call();
    """)
    return page


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("17736", "17736"),
        ("-2", "−2"),
        ("0.5", "0.5"),
        ("-0.123456", "−0.1235"),
        ("0.0000127", "1.27e−5"),
        ("-3.00004e-7", "−3e−7"),
        ("1234567.8", "1.235e6"),
        ("886628205914661300000", "8.866e20"),
        ("NaN", "–"),
        ("-Infinity", "–"),
        ("0", "0"),
    ],
)
def test_numbers_have_few_digits_and_a_minus_sign(page, number, text):
    assert page.eval(f"numberText({number})") == text


def test_values_of_galaxies_are_named_and_unknown_ones_have_no_unit(page):
    def value(*arguments):
        return page.eval(f"JSON.stringify(Object.values(valueText({', '.join(arguments)})))")

    assert value('column("number", -0.25, "mag")', "0") == '["−0.25","mag"]'
    assert value('column("number", 189.2071234, "deg")', "0", "true") == '["189.20712","deg"]'
    assert value('column("number", NaN, "mag")', "0") == '["–",""]'
    assert value('column("class", 0)', "0") == '["spiral",""]'
    assert value('column("class", -1)', "0") == value('column("text", "")', "0") == '["–",""]'
    assert page.eval('countText(1, "galaxy")') == "1 galaxy"
    assert page.eval('countText(17736, "galaxy") + countText(0, "stamp")') == "17,736 galaxies0 stamps"


def test_words_of_a_command_line_hold_no_control_characters(page):
    assert page.eval("""shellWord("NGC 1's", "this id")""") == "'NGC 1'\\''s'"
    assert page.eval('shellWord("2026-11-26_23-00", "this id")') == "2026-11-26_23-00"
    for number in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]:
        with pytest.raises(py_mini_racer.JSEvalException, match="obey the control characters in this id"):
            page.eval(f'shellWord("x" + String.fromCharCode({number}) + "touch", "this id")')


def test_signs_that_turn_around_what_follows_are_replaced(page):
    for sign in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c":
        put(page, "text", f"a{sign}bc{sign}")
        assert page.eval("readable(text)") == "a\ufffdbc\ufffd"
    assert page.eval("readable('אבג 🌌')") == "אבג 🌌"


def test_quantiles_are_those_of_numpy(page):
    values = np.random.default_rng(0).normal(size=137).astype(np.float32)
    put(page, "values", np.append(values, [np.nan, np.inf, -np.inf]).astype(np.float32))
    shares = [0, 0.005, 0.3, 0.5, 0.995, 1]
    ours = take(page, f"quantiles(values, {shares})")
    np.testing.assert_allclose(ours, np.quantile(values, shares), rtol=1e-5)
    assert page.eval("quantiles(new Float32Array([NaN]), [0.5]).every(Number.isNaN)")


def test_sheets_of_5000_stamps_are_decoded_once_and_others_are_closed(page):
    page.eval("""
        globalThis.Blob = class { constructor([name]) { this.name = name; } };
        const [decoded, closed] = [[], []];
        globalThis.createImageBitmap = async ({ name }) => {
            decoded.push(name);
            return { close: () => closed.push(name) };
        };
        const sheets = Array.from({ length: 25 }, (_, i) => `sheet-${i}`);
        const layout = { per_sheet: 256, columns: 16, cell: [16, 16], width: 16, height: 16, sheets };
        const which = Int32Array.from({ length: 6400 }, (_, i) => i);
        const thumbnails = new Thumbnails({
            manifest: { thumbnails: layout }, array: async () => which, file: async (name) => name,
        });
        const look = async (count) => {
            for (let galaxy = 0; galaxy < count; galaxy += 100) await thumbnails.of(galaxy);
        };
    """)
    page.eval("look(5000)")
    page.eval("look(5000)")
    assert page.eval("decoded.length") == 20 and page.eval("closed.length") == 0
    page.eval("look(6400)")
    assert page.eval("closed.length") == 5 and page.eval("thumbnails.sheets.size") == 20


def address_of_an_app(page):
    """A page's address alone, in a page of three galaxies without codes, and what it writes into the history."""
    page.eval("""
        globalThis.window = { addEventListener() {} };
        globalThis.location = { hash: "", href: "" };
        globalThis.entries = [];
        globalThis.clearTimeout = () => {};
        globalThis.setTimeout = () => {};
        globalThis.URLSearchParams = class { // of which V8 alone has none
            constructor() { this.words = new Map(); }
            get(key) { return this.words.get(key) ?? null; }
            set(key, value) { this.words.set(key, value); }
            keys() { return this.words.keys(); }
            toString() { return [...this.words].map((pair) => pair.join("=")).join("&"); }
        };
        globalThis.history = {
            replaceState: (_, __, address) => entries.splice(-1, 1, address),
            pushState: (_, __, address) => entries.push(address),
        };
        globalThis.app = {
            data: {
                manifest: { columns: [], planes: [], colour: null, thumbnails: { galaxies: "some" } },
                array: async () => [2],
            },
            store: createStore({
                galaxy: null, code: null, partner: null, place: null, draw: null, step: null, camera: null,
                colour: null, theme: null, tab: "galaxy",
            }),
            ids: ["a", "b", "c"], latent: null, say() {},
        };
    """)


def test_a_page_opens_with_a_galaxy_of_its_own_unless_one_is_clicked_meanwhile(page):
    address_of_an_app(page)
    page.eval("mountFragment(app)")
    assert page.eval("app.store.get().galaxy") == 2
    address_of_an_app(page)
    page.eval("mountFragment(app); app.store.set({ galaxy: 1 })")
    assert page.eval("app.store.get().galaxy") == 1


def test_each_galaxy_is_an_entry_of_the_history_and_nothing_else_is(page):
    address_of_an_app(page)
    page.eval("mountFragment(app)")
    for change in ("galaxy: 0", "tab: 'selection'", "theme: 'dark'", "galaxy: 1"):
        page.eval(f"app.store.set({{ {change} }}); app.link()")
    more = "tab=selection&theme=dark"
    assert page.eval("entries.join(' ')") == f"#galaxy=c #galaxy=a&{more} #galaxy=b&{more}"
