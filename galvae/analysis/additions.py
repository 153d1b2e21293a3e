"""What `galvae encode` adds to codes, by name: each is made once for a run, and gives columns for each batch.

An addition is a class with `needs`, a set of "decoded" (the posterior mean is decoded, and `mse` known), "scores" (all
of them) and "morphology" (galaxies are measured); a constructor of (run, config), a TrainedRun and an EncodeConfig,
which raises GalvaeError where something is missing; `columns(batch)`, which returns name -> values (B,) or (values,
unit) of an EncodedBatch; and optionally `identity`, a JSON-able value of what else than the run's weights they need.
"""

from galvae.analysis.anomaly import Anomaly
from galvae.analysis.encoded import Morphology, Scores
from galvae.analysis.nearest import Neighbors
from galvae.analysis.plane import Plane

# In the order of `galvae.config.encode.ADDITIONS`.
ADDITIONS = {
    "scores": Scores,
    "morphology": Morphology,
    "neighbors": Neighbors,
    "anomaly": Anomaly,
    "plane": Plane,
}
