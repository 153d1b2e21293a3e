"""Benchmark cases of the explorer: writing its page, and decoding in JavaScript."""

import json
import tempfile
from types import SimpleNamespace

import numpy as np

from benchmarking.measuring import GALVAE, alternating, medians, row, run, seconds_of
from benchmarking.training import network_config

# Decoders of 32 latents: network and side of an image of three bands.
DECODERS = (("slim", 128), ("conv", 128), ("dcgan", 158))


def explore(quick):
    """Time to write the page of a run that keeps its codes, without and with thumbnails, against `galvae info`."""
    count = 2_000 if quick else 20_000
    keys = ["umap=false", "measures=false"]
    with tempfile.TemporaryDirectory() as folder:
        kept, own = f"{folder}/run", {"GALVAE_CACHE": folder}
        words = [f"dataset.count={count}", "dataset.image_size=64", "latent_dim=16", "epochs=1", "prior=none"]
        run([*GALVAE, "train", "dataset=simulated", *words, f"hydra.run.dir={kept}"], own, folder)
        run(
            [*GALVAE, "explore", f"run={kept}", *keys, "thumbnails=0"], {}, folder
        )  # keeps the names of the axes
        pages = {
            "galvae info": ["info", f"run={kept}"],
            "galvae explore thumbnails=0": ["explore", f"run={kept}", *keys, "thumbnails=0"],
            "galvae explore thumbnails=5000": ["explore", f"run={kept}", *keys, "thumbnails=5000"],
        }
        measures = {name: lambda w=words: run([*GALVAE, *w], own, folder) for name, words in pages.items()}
        results = alternating(measures, 1 if quick else 5)
    seconds = {name: float(np.median([done.seconds for done in runs])) for name, runs in results.items()}
    return [
        row(
            f"{name}, {count:,} galaxies of 64 px",
            f"{seconds[name]:.2f} s",
            seconds[name] / seconds["galvae info"],
            "galvae info",
            peak_mb=max(done.peak_mb for done in runs),
        )
        for name, runs in results.items()
    ]


def page_decoder(quick):
    """Time of a galaxy that the page's JavaScript decodes in V8, against Keras' decoder on one code."""
    try:
        from py_mini_racer import MiniRacer
    except ImportError:
        return []
    from galvae.backend.setup import setup

    setup("tensorflow", "float32", 0)
    from galvae.backend.graph import compiled
    from galvae.explorer.decoder import decoder_of
    from galvae.explorer.modules import bundled
    from galvae.models.build import VAE

    rows = []
    for network, side in DECODERS:
        layers = network_config(network)
        model = VAE((side, side, 3), 32, layers)
        model.build_all()
        config = SimpleNamespace(latent_dim=32, model=None, network=layers)
        state = SimpleNamespace(image_shape=[side, side, 3], condition_names=[])
        spec, arrays = decoder_of(config, state, {one.path: np.asarray(one) for one in model.variables})
        page = MiniRacer()
        page.eval("globalThis.performance = { now: () => Date.now() };" + bundled("latent/decoder.js"))
        page.eval("const arrays = {};")
        for name, array in arrays.items():
            kind = "Int16Array" if array.dtype == np.int16 else "Float32Array"
            page.eval(f"arrays['{name}'] = new {kind}({json.dumps(array.ravel().tolist())});")
        page.eval(f"const decoder = new Decoder({json.dumps(spec)}, arrays);")
        code = np.random.default_rng(0).standard_normal((1, 32), np.float32)
        page.eval(f"const code = {json.dumps(code[0].tolist())};")
        keras = compiled(model.decode, model)
        measures = {
            "Keras": lambda decode=keras, c=code: np.asarray(decode(c)),
            "page": lambda p=page: p.eval("decoder.decode(code, null).length"),
        }
        for measure in measures.values():
            for _ in range(5):  # compiles
                measure()
        timed = {name: lambda m=measure: seconds_of(m) for name, measure in measures.items()}
        seconds = medians(timed, 5 if quick else 25)
        case = f"a galaxy decoded, {network} {side} px"
        rows += [
            row(f"{case}, {name}", f"{1e3 * value:.1f} ms", value / seconds["Keras"], "Keras, one code")
            for name, value in seconds.items()
        ]
    return rows
