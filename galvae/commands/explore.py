"""galvae explore: the latent space as a page for the browser."""

import logging
import webbrowser

import numpy as np

from galvae import figures
from galvae.analysis import measured, plane
from galvae.backend.setup import load
from galvae.data.batches import batches
from galvae.data.dataset import evenly
from galvae.errors import CannotBeDone, GalvaeError
from galvae.explorer.contents import contents_of
from galvae.explorer.page import write_page
from galvae.explorer.server import PageServer
from galvae.explorer.thumbnails import sheets_of
from galvae.runs.axis_names import kept_axis_names
from galvae.runs.stored_run import StoredRun
from galvae.system.child import Child

MOST_MEASURED = 5_000  # galaxies that are measured without being asked to

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Writes the page of a run, and opens or serves it if asked to.

    Keras is loaded only where the run keeps no codes of its galaxies, or no names of its latent axes.

    Args:
        config: ExploreConfig.
        output_dir: directory of the results.

    Raises:
        GalvaeError: if there is no run, or no column of a name that is asked for.
    """
    run = StoredRun.open(config.run, vars(config.dataset))
    codes, names = run.kept_codes("all"), kept_axis_names(run)
    if codes is None or (names is None and not run.images_missing):
        run, names = with_model(run, config, names)
        codes = run.codes("all")
    if names is None:
        log.info("the latent axes have no names, since images are measured for them")
    measures = measures_of(run, codes.indices, config.measures)

    def plane_of():
        return embed(run, codes, output_dir) if config.umap else None

    manifest, arrays = contents_of(run, codes, names, measures, config, plane_of)
    style = figures.Style(image_map=config.image_map, class_map=config.class_map, value_map=config.value_map)
    style = style.for_images(run.galaxies.rgb, run.state.stretch, run.directory.display_range)
    counts = sorted(
        {len(column["classes"]) for column in manifest["columns"] if column["kind"] == "class"} - {0}
    )
    arrays |= {f"palette.{name}": table for name, table in style.palettes(counts).items()}
    manifest["thumbnails"], sheets = thumbnails(run, codes.indices, config.thumbnails, style, arrays)
    folder = len(codes.indices) > config.inline
    path = write_page(output_dir / "explorer.html", manifest, arrays, sheets, folder, served=config.serve)
    print(line_of_page(path, len(codes.indices), folder, config.serve))
    if config.serve:
        with PageServer(path.parent, config.port) as server:
            print(f"{server.address} shows it on this machine until Ctrl-C", flush=True)
            if config.open:
                open_page(server.address)
            server.serve_forever()
    elif config.open:
        open_page(path.resolve().as_uri())


def with_model(run, config, names):
    """Builds the model of a run, and has the names of its latent axes measured if there are none.

    Args:
        run: StoredRun.
        config: ExploreConfig.
        names: names of the axes, or None.

    Returns:
        (TrainedRun, names).
    """
    backend = config.backend or run.config.backend
    load(backend)
    from galvae.analysis.axis_effects import name_axes  # late: these need Keras, and take a second
    from galvae.runs.trained_run import TrainedRun

    run = TrainedRun.of(run, backend, config.force)
    if names is None and not run.images_missing:
        names = name_axes(run)
    return run, names


def embed(run, codes, output_dir):
    """The newest UMAP embedding of all galaxies by the run's present weights; if there is none, one that is fitted now.

    Args:
        run: StoredRun.
        codes: Codes of all galaxies.
        output_dir: where a new one is stored.

    Returns:
        Embedding; None where the galaxies have no plane: too few, or all alike, which is logged.
    """
    try:
        # Without TensorFlow, which umap-learn imports for what is not used here.
        with Child("computes the UMAP layout", without=("tensorflow",)) as child:
            embedding, path = plane.newest_embedding(run, codes, child.call)
    except CannotBeDone:
        raise
    except GalvaeError as error:
        log.info(
            "the page has no UMAP plane: %s; galvae umap run=%s n_neighbors=... makes one", error, run.path
        )
        return None
    if path is None:
        embedding.save(output_dir / "embedding.npz")
    return embedding


def measures_of(run, indices, wanted):
    """Measures of galaxies for the page, as columns of a table; a line says why there are none.

    Args:
        run: StoredRun.
        indices: (n,) row indices.
        wanted: whether to measure; None: unless it takes long, see `ExploreConfig`.
    """
    if wanted is False:
        return {}
    if run.images_missing:
        log.info("the page has no sizes, shapes and colours, which are measured in images")
        return {}
    missing = measured.not_measured(run.dataset, indices)
    if wanted is None and missing > MOST_MEASURED:
        log.info(
            "the page has no sizes, shapes and colours: %d of %d galaxies are not measured yet; measures=true measures "
            "them",
            *(missing, len(indices)),
        )
        return {}
    return measured.measured_columns(run.dataset, measured.measure_galaxies(run.dataset, indices))


def thumbnails(run, indices, most, style, arrays):
    """Images of at most so many galaxies, spread evenly, as the package's figures show them.

    Args:
        run: StoredRun.
        indices: (n,) row indices of the galaxies.
        most: number of images.
        style: Style.
        arrays: dict of the page's arrays, to which the positions of these galaxies are added.

    Returns:
        (layout, sheets), see `galvae.explorer.thumbnails.sheets_of`.
    """
    if not most or run.images_missing:
        return None, {}
    positions = evenly(len(indices), most)
    arrays["thumbnails"] = positions.astype(np.int32)
    dataset = run.dataset
    parts = batches(dataset, indices[positions], "thumbnails")
    return sheets_of((figures.rgb(dataset.to_unit(part["images"]), style) for part in parts), "thumbnails")


def line_of_page(path, count, folder, served):
    """What was written, and how it is opened, in a line.

    Args:
        path: of the page.
        count: number of galaxies.
        folder: whether its data are in files beside it.
        served: whether it is handed out next.
    """
    files = [path, *path.parent.glob("data-*/*")] if folder else [path]
    size = sum(file.stat().st_size for file in files) / 1e6
    what = f"{path.name}: {count:,} galaxies, {size:.1f} MB"
    if folder:
        what += f" in {len(files)} files"
        how = "a web server hands it out, as serve=true does: a browser does not open its data from the disk"
    else:
        how = "open it in a browser"
    return what if served else f"{what}; {how}"


def open_page(address):
    """Opens an address in the browser; a line says where there is none."""
    if not webbrowser.open(address):
        log.warning("open: expected a browser on this machine, received none; open %s yourself", address)
