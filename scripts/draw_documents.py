"""Draws the pictures of docs/ anew: trains the runs, calls the commands that draw, and copies what they have drawn.

    python scripts/draw_documents.py FOLDER                    every picture
    python scripts/draw_documents.py FOLDER --only card.png    one, with the runs that it needs; may be repeated
    python scripts/draw_documents.py --list                    the pictures, and the commands of each

Commands run in FOLDER, where runs are kept: the same call again does not train a finished run twice. The recordings
and the views of the explorer need Chromium and the package playwright; the simulated galaxies need galsim. A picture
whose run was trained on another machine shows other galaxies: only there are the weights the same bit for bit.
"""

import argparse
import io
import os
import shlex
import shutil
import sys
import time
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

DOCS = Path(__file__).resolve().parents[1] / "docs"
EARLIER = "reconstruction.loss=mse reconstruction.weight=15 clip_norm=null prior=none"  # the settings of 0.1
RUNS = {  # name -> the command that trains it
    "default": "galvae train hydra.run.dir=runs/default",
    "seed 1": "galvae train seed=1 hydra.run.dir=runs/seed_1",
    "sweep": f"galvae train -m latent_dim=2,4,8,16 {EARLIER} hydra.sweep.dir=runs/sweep",
    "simulated": "galvae train experiment=simulated_recommended hydra.run.dir=runs/simulated",
}
RUN, Z8, DRAWN = "run=runs/default", "run=runs/sweep/2_hdf_vae_z8", "run=runs/simulated"
PICTURES = {  # name -> run, the command that draws it, the file that is copied
    "generated.png": ("default", f"galvae sample {RUN} n=100", "samples.png"),
    "generated_0_1.png": ("sweep", f"galvae sample {Z8} n=100", "samples.png"),
    "card.png": ("default", f"galvae evaluate {RUN}", "card.png"),
    "reconstructions.png": ("default", f"galvae evaluate {RUN}", "reconstructions.png"),
    "pairs.png": ("default", f"galvae evaluate {RUN}", "pairs.png"),
    "priors.png": ("seed 1", "galvae prior run=runs/seed_1", "priors.png"),
    "traverse.png": ("default", f"galvae traverse {RUN} 'axes=[8,24,20,26,7,22,28,27]'", "traverse.png"),
    "umap.png": ("default", f"galvae umap {RUN} colour=mean_red", "umap.png"),
    "montage.png": ("default", f"galvae umap {RUN}", "montage.png"),
    "loss.png": ("default", RUNS["default"], "figures/loss.png"),
    "compare.png": ("sweep", "galvae compare runs=runs/sweep", "samples.png"),
    "plane.png": ("sweep", f"galvae traverse {Z8} 'axes=[4,1]' colour=mean_red", "plane_scatter.png"),
    "redshift.png": ("simulated", f"galvae sample {DRAWN} n=8 'condition=[0.2,0.6,1.0]'", "samples.png"),
    "explorer.html": ("default", f"galvae explore {RUN}", "explorer.html"),
}
RECORDED = "galvae train epochs=40"  # what train.gif shows
WIDTH, ROWS, COLUMNS, FONT_SIZE, LINE, MARGIN = 800, 22, 104, 12, 18, 18  # of recordings
PAUSE = 0.5  # seconds, the longest that train.gif waits for a line
VIEWS = {  # picture -> what the address of docs/explorer.html has after #, and the theme
    "explorer_plane.png": ("galaxy=628", "dark"),
    "explorer_walk.png": ("galaxy=542&partner=628&walk=0.5&noise=1", "light"),
    "explorer_selection.png": ("tab=selection", "light"),
}
PLACE_OF_628 = """() => { const { ids, plane: { points, view } } = explorer, i = ids.indexOf("628");
    return [view.left(points.xs[i]), view.top(points.ys[i])]; }"""
LASSO = ((0.14, 0.74), (0.30, 0.72), (0.40, 0.80), (0.40, 0.99), (0.18, 0.99))  # in shares of the plane
POINTER = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))


def main():
    """Draws the requested pictures into docs/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, (run, command, _) in PICTURES.items():
            print(name, *dict.fromkeys([RUNS[run], command]), sep="\n    ")
        for name, (_, text) in OWN.items():
            print(name, text, sep="\n    ")
        return
    if options.folder is None:
        parser.error("FOLDER is missing")
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.only or NAMES:
        print(name, flush=True)
        draw(name, options.folder.resolve())


def draw(name, folder):
    """Makes a picture of docs/, with the run that it needs."""
    if name in OWN:
        OWN[name][0](folder, DOCS / name)
    else:
        run, command, file = PICTURES[name]
        call(RUNS[run], folder)
        shutil.copyfile(call(command, folder) / file, DOCS / name)


@cache
def call(command, folder):
    """Runs a galvae command in a folder; returns where its results are, which its last line says."""
    return folder / output(command, folder)[-1][0]


def output(command, folder):
    """The lines that a galvae command prints, each with the seconds after which it came."""
    program = [sys.executable, "-um", *shlex.split(command)]
    begun = time.monotonic()
    with Popen(program, cwd=folder, stdout=PIPE, stderr=STDOUT, text=True) as process:
        lines = [(line.rstrip("\n"), time.monotonic() - begun) for line in process.stdout]
    if process.returncode:
        raise SystemExit(f"failed: {command}")
    return lines


def real_galaxies(folder, file):
    """A hundred real galaxies of the default run, at random."""
    call(RUNS["default"], folder)
    import galvae
    from galvae.figures.image_grids import grid
    from galvae.figures.style import save

    dataset = galvae.open_run(folder / "runs" / "default").dataset
    rows = np.sort(np.random.default_rng(0).choice(len(dataset.images), 100, replace=False))
    save(grid(dataset.to_unit(dataset.images[rows])), file.with_suffix(""))


def train_recording(folder, file):
    """A terminal in which `galvae train` runs, line by line as it printed them; long waits are shortened."""
    lines = output(RECORDED, folder)
    times = [0.0, *(at for _, at in lines)]
    waits = [min(max(after - before, 0.05), PAUSE) for before, after in pairwise(times)]
    printed = [line.replace(f"{folder}/", "") for line, _ in lines]
    frames = [(terminal([], RECORDED[:end]), 0.07) for end in range(0, len(RECORDED), 2)]
    frames += [(terminal(printed[:count]), wait) for count, wait in enumerate([*waits, 5.0])]
    save_recording(frames, file, colours=24)


def terminal(lines, typed=RECORDED):
    """An image of a terminal: the command, and the last lines of what it has printed."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
    font = ImageFont.truetype(path, FONT_SIZE)
    image = Image.new("RGB", (WIDTH, ROWS * LINE + 2 * MARGIN), "#15181e")
    pen = ImageDraw.Draw(image)
    folded = [line[at : at + COLUMNS] for line in lines for at in range(0, max(len(line), 1), COLUMNS)]
    for row, text in enumerate([f"$ {typed}", *folded][-ROWS:]):
        colour = "#8fd694" if text.startswith("$ ") else "#dfe3ea"
        pen.text((MARGIN, MARGIN + row * LINE), text, font=font, fill=colour)
    return image


def save_recording(frames, file, colours):
    """Frames, each an image and its seconds, as a GIF of one palette, so that only what changes is stored."""
    images, seconds = zip(*frames, strict=True)
    sheet = Image.new("RGB", (WIDTH, 3 * images[0].height))
    for place, image in enumerate((images[0], images[len(images) // 2], images[-1])):
        sheet.paste(image, (0, place * image.height))
    palette = sheet.quantize(colours, method=Image.Quantize.MAXCOVERAGE)
    drawn = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    milliseconds = [round(1000 * shown) for shown in seconds]
    drawn[0].save(file, save_all=True, append_images=drawn[1:], duration=milliseconds, loop=0, optimize=False)


@contextmanager
def explorer(view="", theme="light", width=1400, height=880):
    """docs/explorer.html in a browser of its own, once its plane is drawn; `view` is what its address has after #."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=arguments)
        window = {"width": width, "height": height}
        page = chromium.new_context(viewport=window, color_scheme=theme).new_page()
        page.goto(f"{(DOCS / 'explorer.html').as_uri()}#{view}")
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        page.wait_for_timeout(1000)
        yield page
        chromium.close()


def explorer_view(folder, file):
    """One of VIEWS; of the selection, what a lasso is drawn around."""
    view, theme = VIEWS[file.name]
    with explorer(view, theme) as page:
        if "tab=selection" in view:
            page.get_by_role("button", name="Lasso", exact=True).click()
            box = page.locator(".density").bounding_box()
            places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in LASSO]
            page.mouse.move(*places[0])
            page.mouse.down()
            for place in places[1:]:
                page.mouse.move(*place, steps=5)
            page.mouse.up()
            page.wait_for_timeout(1000)
        page.screenshot(path=file)


def explorer_recording(folder, file):
    """The plane, a click on a galaxy, and two sliders that are moved."""
    frames = []
    with explorer(theme="dark", width=1200, height=800) as page:

        def take(seconds, at):
            image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            ImageDraw.Draw(image).polygon([(at[0] + x, at[1] + y) for x, y in POINTER], "white", "black")
            image.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
            frames.append((image, seconds))

        def glide(start, end, steps, last):
            for step in range(1, steps + 1):
                place = [a + (b - a) * step / steps for a, b in zip(start, end, strict=True)]
                page.mouse.move(*place)
                page.wait_for_timeout(150)  # until the image is decoded
                take(last if step == steps else 0.12, place)

        box, place = page.locator(".density").bounding_box(), page.evaluate(PLACE_OF_628)
        here, there = (600, 380), (box["x"] + place[0], box["y"] + place[1])
        take(1.5, here)
        glide(here, there, 5, 0.4)
        page.mouse.click(*there)
        page.wait_for_timeout(1000)
        take(1.8, there)
        for number in (0, 2):
            slider = page.locator("#inspector .sliders input[type=range]").nth(number)
            slider.scroll_into_view_if_needed()
            bar = slider.bounding_box()
            middle = bar["y"] + bar["height"] / 2
            value = slider.evaluate("(s) => (s.value - s.min) / (s.max - s.min)")
            knob, end = (bar["x"] + (0.02 + 0.96 * share) * bar["width"] for share in (value, 0.6))
            glide(there, (knob, middle), 3, 0.3)
            page.mouse.down()
            glide((knob, middle), (end, middle), 12, 1.2)
            page.mouse.up()
            there = end, middle
        frames[-1] = (frames[-1][0], 3.0)
    save_recording(frames, file, colours=256)


OWN = {  # name -> the function that draws it, and how
    "real.png": (real_galaxies, "a hundred galaxies of the default run"),
    **{name: (explorer_view, "docs/explorer.html in Chromium") for name in VIEWS},
    "explorer.gif": (explorer_recording, "docs/explorer.html in Chromium, recorded"),
    "train.gif": (train_recording, f"{RECORDED}, recorded"),
}
NAMES = [*PICTURES, *OWN]

if __name__ == "__main__":
    main()
