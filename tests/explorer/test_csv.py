"""Tables of selected galaxies: CSV and VOTable as astropy reads them, the list of ids as the command line does."""

import csv
import io
import shlex

import numpy as np
import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table
from builders.explorer import HOSTILE
from builders.javascript import context, put, take
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from scipy.stats import ks_2samp

from galvae.cli.overrides import quote_texts
from galvae.data.selected_rows import read_ids

IDS = [
    *(
        'galaxy "A"',
        "a,b",
        "two\nlines",
        "return\r\nand line",
        " blanks ",
        "=1+1",
        "-5",
        "@x",
        "0012",
        "Ünïcode 🌌",
    ),
    *("<script>&amp;", "it's", "\\back\\", 'ends in \\"', "${x}", "#1", "null", "17"),
]
COUNT = len(IDS)


@pytest.fixture(scope="module")
def page():
    """V8 with the modules that write tables, and galaxies as a page holds them."""
    page = context(
        "selection/csv.js",
        "selection/votable.js",
        "selection/idlist.js",
        "selection/comparison.js",
        "quantiles.js",
    )
    random = np.random.default_rng(1)
    single = np.exp(random.normal(0, 30, COUNT)).astype(np.float32)
    single[:5] = np.nan, np.inf, -np.inf, -0.0, np.float32(0.1)
    values = {
        "dec": random.uniform(-90, 90, COUNT),
        "RA": random.uniform(0, 360, COUNT),
        "flux": single,
        "class": np.array([-1, 0, 1] * 6, np.int16),
    }
    values["RA"][:2] = 0.1 + 0.2, np.nextafter(180, 181)
    put(page, "arrays", values)
    put(page, "ids", IDS)
    kinds = {"class": {"kind": "class", "classes": ["Merging", 'a "b", c']}}
    columns = [{"name": name, "unit": "deg", "kind": "number", **kinds.get(name, {})} for name in values]
    columns.append({"name": "id", "unit": "", "kind": "text"})
    put(page, "manifest", {"ids": "ids", "ra": "RA", "dec": "dec", "columns": columns})
    page.eval("""
        const values = (name) => (name === "id" ? ids.map((id) => id + "!") : arrays[name]);
        const data = {
            manifest, count: ids.length, array: async () => ids,
            column: async (name) => ({ ...manifest.columns.find((one) => one.name === name), values: values(name) }),
        };
        const all = Int32Array.from(ids, (_, i) => i);
        let columns = null;
        tableColumns(data).then((found) => { columns = found; });
    """)
    return page, values


def table_of(page, arguments, most=1_000_000):
    """The VOTable of some columns, rows and name."""
    page.eval(f"votable({arguments}, async () => true, {most}).then((text) => {{ globalThis.xml = text; }})")
    return page.eval("xml")


def test_csv_gives_every_bit_of_every_number_back(page):
    page, values = page
    text = page.eval("csvLines(columns, null) + csvLines(columns, all)")
    assert page.eval("csvLines(columns, all.subarray(2, 4))") in text
    table = Table.read(text, format="csv")
    assert table.colnames == ["id", "RA", "dec", "flux", "class", "id_2"]
    for name in ("RA", "dec"):
        assert np.array(table[name]).tobytes() == values[name].tobytes()
    assert np.array(table["flux"].filled(np.nan), np.float32).tobytes() == values["flux"].tobytes()
    assert ",-0.0," in text and ",0.1," in text  # with no digit more than needed
    assert list(table["class"].filled(""))[:3] == ["", "Merging", 'a "b", c']


def test_csv_gives_every_id_back(page, tmp_path):
    page, _ = page
    text = page.eval("csvLines(columns, null) + csvLines(columns, all)")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in rows] == ["id", *IDS]
    assert [row[-1] for row in rows] == ["id_2", *(f"{identifier}!" for identifier in IDS)]
    # astropy takes blanks around a text away, and so does dataset.select= on both sides.
    as_astropy = [identifier.strip().replace("\r\n", "\n") for identifier in IDS]
    assert list(Table.read(text, format="csv")["id"]) == as_astropy
    path = tmp_path / "selection.csv"
    path.write_bytes(text.encode())
    assert set(read_ids(path)) == {identifier.replace("\n", " ") for identifier in as_astropy}


def test_votable_has_units_roles_and_all_digits(page):
    page, values = page
    xml = table_of(page, "columns, all, 'a <b> & \\u0000\"'")
    table = parse_single_table(io.BytesIO(xml.encode())).to_table()
    assert [column.info.meta["ucd"] for column in table.columns.values() if "ucd" in column.info.meta] == [
        "meta.id;meta.main",
        "pos.eq.ra;meta.main",
        "pos.eq.dec;meta.main",
    ]
    assert table["RA"].unit == "deg" and table["flux"].dtype == np.float32
    assert table.meta["name"] == 'a <b> & \ufffd"'
    assert [str(identifier) for identifier in table["id"]] == [identifier.strip() for identifier in IDS]
    for name in ("RA", "dec", "flux"):
        read = np.ma.filled(table[name], np.nan).astype(values[name].dtype)
        np.testing.assert_array_equal(read, values[name])
    assert list(table["class"][:3]) == ["", "Merging", 'a "b", c']


@pytest.mark.filterwarnings("ignore::astropy.io.votable.exceptions.VOWarning")
def test_votable_of_hostile_texts_is_read(page):
    page, _ = page
    put(page, "hostile", list(HOSTILE))
    page.eval("""
        const harmless = [{ title: hostile[3], unit: hostile[4], ucd: "", type: "text", text: (i) => hostile[i] }];
        const rows = Int32Array.from(hostile, (_, i) => i);
    """)
    xml = table_of(page, "harmless, rows, hostile[0]")
    table = parse_single_table(io.BytesIO(xml.encode())).to_table()
    wanted = [text.encode("utf-8", "replace").decode().replace("?", "\ufffd").strip(" ") for text in HOSTILE]
    assert [str(text) for text in table[table.colnames[0]]] == wanted


def test_a_table_that_is_too_long_is_none(page):
    page, _ = page
    assert table_of(page, "columns, all, 'name'", most=1000) is None


def test_ids_reach_a_command(page):
    page, _ = page
    plain = [identifier for identifier in IDS if not set(identifier) & set("\r\n")]
    put(page, "plain", plain)
    (word,) = shlex.split(page.eval("idWord(plain)"))
    words, _ = quote_texts([word])
    assert words == [word]
    value = OverridesParser.create().parse_override(word).value()
    received = OmegaConf.to_container(OmegaConf.create({"id": value}), resolve=True)["id"]
    assert received == [17 if identifier == "17" else identifier for identifier in plain]


def test_distances_of_distributions(page):
    page, _ = page
    random = np.random.default_rng(2)
    values = np.round(random.normal(size=5000), 2).astype(np.float32)  # with equal ones
    values[::9] = np.nan
    galaxies = np.flatnonzero(values > 0.3).astype(np.int32)[::3]
    galaxies = np.concatenate([galaxies, np.arange(0, 90, 9, dtype=np.int32)])
    values[9::18], values[36::72] = np.inf, -np.inf
    put(page, "measured", values)
    put(page, "galaxies", galaxies)
    put(page, "every", np.arange(5000, dtype=np.int32))
    known = take(page, "finiteSorted(measured, galaxies)")
    everything = np.sort(values[np.isfinite(values)])
    np.testing.assert_array_equal(known, np.sort(values[galaxies[:-10]]))
    distance = page.eval("ksDistance(finiteSorted(measured, galaxies), finiteSorted(measured, every))")
    assert distance == pytest.approx(ks_2samp(known, everything).statistic, abs=1e-12)
    assert (
        page.eval("ksDistance(finiteSorted(measured, every), finiteSorted(measured, galaxies))") == distance
    )
    for share in (0, 0.005, 0.5, 1):
        found = page.eval(f"quantile(finiteSorted(measured, galaxies), {share})")
        assert found == pytest.approx(np.quantile(known.astype(float), share), rel=1e-6)
    assert np.isnan(page.eval("ksDistance(new Float32Array(0), finiteSorted(measured, every))"))
    labels = np.where(~np.isfinite(values), -1, np.digitize(values, [-0.5, 0.5])).astype(np.int16)
    put(page, "labels", labels)
    ours, others = take(page, "classCounts(labels, 3, galaxies)"), take(page, "classCounts(labels, 3, every)")
    np.testing.assert_array_equal(ours, np.bincount(labels[galaxies[:-10]], minlength=3))
    np.testing.assert_array_equal(others, np.bincount(labels[labels >= 0], minlength=3))
    wanted = np.abs(ours / ours.sum() - others / others.sum()).sum() / 2
    assert page.eval(
        "classDistance(classCounts(labels, 3, galaxies), classCounts(labels, 3, every))"
    ) == pytest.approx(wanted)


def test_samples_are_even_and_without_repeats(page):
    page, _ = page
    put(page, "many", np.arange(100, 1100, dtype=np.int32))
    some = take(page, "evenSample(many, 48)")
    assert len(some) == 48 and set(np.diff(some)) <= {20, 21}
    assert some.min() - 100 <= 11 and 1099 - some.max() <= 11
    np.testing.assert_array_equal(take(page, "evenSample(many, 5000)"), np.arange(100, 1100))
