"""The page's JavaScript, run by V8 in this process: no browser, and so no document and no network.

    page = context("latent/decoder.js")                # of galvae/explorer/web, with what it imports
    put(page, "codes", np.zeros((5, 2), np.float32))   # now the global `codes` is a Float32Array of 10 numbers
    page.execute("codes.length")                       # 10: any value that JSON knows
    take(page, "codes.map((number) => number + 1)")    # a NumPy array of 10 numbers, float32
    page.eval("const five = codes.length / 2;")        # statements; their names stay

Errors of JavaScript are raised as `py_mini_racer.JSEvalException` with their message and line.
"""

import json

import numpy as np
from py_mini_racer import MiniRacer

from galvae.explorer.modules import bundled

TYPED = {
    "float32": "Float32Array",
    "float64": "Float64Array",
    "int8": "Int8Array",
    "int16": "Int16Array",
    "int32": "Int32Array",
    "uint8": "Uint8Array",
    "uint16": "Uint16Array",
    "uint32": "Uint32Array",
}
# What is missing of a browser, and of no interest to a test.
MISSING = "globalThis.performance = { now: () => Date.now() };"


def context(*modules):
    """V8 that has run modules of the page; one takes some 20 ms to start, and tests of a file may share it.

    Args:
        modules: names of files in galvae/explorer/web; what they import comes with them.

    Returns:
        py_mini_racer.MiniRacer, in which the modules' names can be used.
    """
    page = MiniRacer()
    page.eval(MISSING)
    page.eval(bundled(*modules))
    return page


def put(page, name, values):
    """Hands over a value as a global variable; a million numbers take milliseconds.

    Args:
        page: what `context` returned.
        name: of the variable.
        values: a NumPy array of any shape, which becomes a flat typed array in row-major order (float16 as float32,
            as the page inflates it); or anything that JSON knows; or a dict name -> NumPy array.
    """
    if isinstance(values, dict) and any(isinstance(value, np.ndarray) for value in values.values()):
        page.eval(f"globalThis[{json.dumps(name)}] = {{}};")
        for key, array in values.items():
            _put(page, f"globalThis[{json.dumps(name)}][{json.dumps(key)}]", array)
    elif isinstance(values, np.ndarray):
        _put(page, f"globalThis[{json.dumps(name)}]", values)
    else:
        page.eval(f"globalThis[{json.dumps(name)}] = {json.dumps(values)};")


def take(page, expression):
    """The numbers of a typed array, or of a plain array, as NumPy has them.

    Args:
        page: what `context` returned.
        expression: JavaScript whose value is the array.

    Returns:
        flat NumPy array of the same type; float64 from a plain array.
    """
    kind = page.eval(
        f"globalThis.taken = ({expression});"
        " if (Array.isArray(taken)) taken = Float64Array.from(taken); taken = taken.slice();"
        " taken.constructor.name"
    )
    dtype = {name: dtype for dtype, name in TYPED.items()}.get(kind, "uint8")  # Uint8ClampedArray
    return np.frombuffer(page.eval("taken.buffer"), dtype).copy()


def _put(page, target, array):
    array = np.ascontiguousarray(array.astype(np.float32) if array.dtype == np.float16 else array)
    page.eval(f"{target} = new {TYPED[array.dtype.name]}({array.size});")
    if array.size:
        np.frombuffer(page.eval(f"{target}.buffer"), array.dtype)[:] = array.ravel()
