"""The page's state in its address, after #: shown again from a link, and left out key by key where it is wrong."""

import numpy as np
import pytest
from builders.explorer_decoder import decodable

STATE = """() => {
    const state = explorer.store.get();
    const numbers = (values) => values && Array.from(values);
    const { x, y, colour, camera, galaxy, partner, place, draw, step, noise, noiseSeed, tab, theme, origin } = state;
    return { x, y, colour, camera, galaxy, partner, place, draw, step, noise, noiseSeed, tab, theme, origin,
             code: numbers(state.code), condition: numbers(state.condition) };
}"""
# What is done to a page, one after the other, and what its address then holds.
VIEWS = [
    ("store.set({ galaxy: 17 })", ["galaxy=id+17"]),
    ("move({ code: changed(2, 1.23456), origin: 'galaxy id 17, 1 latent moved' })", ["z=2:1.23456"]),
    ("store.set({ partner: 3, noise: true, noiseSeed: 7 })", ["partner=id+3", "noise=7"]),
    ("store.set({ x: 'latent 1', y: 'redshift', colour: null, theme: 'dark' })", ["y=redshift", "colour=&"]),
    ("store.set({ camera: { x: 0.25, y: -1, scale: 321.5 }, tab: 'selection' })", ["view=0.25,-1,321.5"]),
    ("click('Walk from id 17'); store.set({ galaxy: 30 }); walk(0.25)", ["partner=id+17", "walk=0.25"]),
    ("move({ code: changed(0, 1.5), origin: 'between id 17 and id 30, 25 %, 1 latent moved' })", ["z=0:1.5"]),
    ("click('Random draw')", ["draw=1", "z=0:"]),
    (
        "store.set({ code: changed(1, -2), origin: 'mean of the 8 galaxies around (1.5, −2)', "
        "place: { x: 1.5, y: -2 } })",
        ["place=1.5,-2"],
    ),
    (
        "store.set({ galaxy: 8 }); move({ condition: Float32Array.of(1, 0, 0.625), "
        "origin: 'galaxy id 8, as smooth, redshift 0.625' })",
        ["c=", "2:0.625"],
    ),
]
HOSTILE = {
    "galaxy=nobody": "galaxy",
    "galaxy=%3Cscript%3Ewindow.harmed%3D1%3C/script%3E": "galaxy",
    "x=__proto__": "x",
    "y=constructor&colour=toString": "colour",
    "view=NaN,0,1": "view",
    "view=0,0,-1": "view",
    "view=0,0,1e309": "view",
    "view=1,2": "view",
    "z=0:NaN": "z",
    "z=0:1e39": "z",
    "z=99:1": "z",
    "z=-1:1": "z",
    "z=0:1,0:2": "z",
    "z=": "z",
    "z=0.5:1": "z",
    "c=2:99": "c",
    "c=0:0.5": "c",
    "c=0:1,1:1": "c",
    "c=9:1": "c",
    "walk=2": "walk",
    "walk=0.5": "walk",
    "walk=": "walk",
    "draw=1": "draw",
    "draw=-1&place=0": "place",
    "noise=1e9": "noise",
    "tab=%00": "tab",
    "theme=url(x)": "theme",
    "__proto__=1&hasOwnProperty=2": "__proto__",
    "%E0%A4%A": "%A",
    "&&&=&=": ":",
    "galaxy=" + "a" * 100_000: "galaxy",
}


@pytest.fixture
def page_of(open_page):
    def page_of(fragment=""):
        contents = decodable(60, conditional=True)
        contents[1]["ids"] = [f"id {galaxy}" for galaxy in range(60)]
        page = open_page(contents, fragment=fragment)
        page.evaluate(
            """() => {
                window.changed = (axis, value) => {
                    const code = explorer.store.get().code.slice();
                    code[axis] = value;
                    return code;
                };
                window.move = (patch) => explorer.decoding.move(patch);
                window.click = (name) => {
                    [...document.querySelectorAll("#inspector button")].find((one) => one.textContent === name).click();
                };
                window.walk = (share) => {
                    const slider = document.querySelector("#inspector .walk input");
                    slider.value = share * slider.max;
                    for (const name of ["input", "change"]) slider.dispatchEvent(new Event(name));
                };
            }"""
        )
        return page

    return page_of


def open_fragment(page, fragment):
    page.evaluate("(fragment) => { location.hash = fragment }", fragment)
    page.wait_for_timeout(50)


def test_page_opens_with_the_view_of_its_address(page_of):
    page = page_of("galaxy=id+17&z=2:-1.5&noise=3&x=redshift&tab=selection&nonsense=1")
    state = page.evaluate(STATE)
    assert (state["galaxy"], state["noise"], state["noiseSeed"]) == (17, True, 3)
    assert (state["x"], state["y"], state["tab"]) == ("redshift", "umap 2", "selection")
    assert state["code"][2] == -1.5 and state["origin"] == "galaxy id 17, 1 latent moved"
    own = page.evaluate("Array.from(explorer.latent.code(17))")
    assert [i for i in range(6) if state["code"][i] != own[i]] == [2]
    assert page.locator("#message").inner_text() == "Not understood in the address of this page: nonsense."


@pytest.mark.slow
def test_views_come_back_from_their_addresses(page_of):
    page, other = page_of(), page_of()
    for action, words in VIEWS:
        page.evaluate(f"() => {{ const {{ store }} = explorer; {action}; }}")
        page.wait_for_timeout(550)
        fragment = page.evaluate("location.hash.slice(1)")
        assert [word for word in words if word not in f"{fragment}&"] == [], fragment
        open_fragment(other, fragment)
        here, there = page.evaluate(STATE), other.evaluate(STATE)
        for key in ("code", "condition"):
            np.testing.assert_allclose(there.pop(key), here.pop(key), rtol=2e-6, atol=1e-6, err_msg=fragment)
        assert there == here, fragment
        assert other.locator("#message").inner_text() == "", fragment
    other.wait_for_timeout(550)
    assert other.evaluate("location.hash.slice(1)") == fragment  # which has not changed on the way


@pytest.mark.slow
def test_what_is_wrong_in_an_address_is_left_out_and_said(page_of):
    page = page_of("galaxy=id+17")
    before = page.evaluate(STATE)
    for fragment, key in HOSTILE.items():
        open_fragment(page, fragment)
        message = page.locator("#message").inner_text()
        assert key in message and message.startswith("Not understood"), fragment[:60]
        assert page.evaluate(STATE) == before, fragment[:60]
    assert page.evaluate("window.harmed") is None
    open_fragment(page, "galaxy=nobody&z=1:0.5&theme=light")
    assert page.evaluate(STATE)["theme"] == "light" and page.evaluate(STATE)["code"][1] == 0.5
