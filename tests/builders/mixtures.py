"""A mixture of three correlated Gaussians in standard units, and what leads from these to physical ones."""

import numpy as np

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[-2.0, 0.0, 0.5], [1.0, 3.0, -0.5], [0.0, -1.0, 1.0]])
ROOTS = np.array(
    [np.eye(3), [[0.5, 0, 0], [0.6, 0.4, 0], [-0.3, 0.2, 0.7]], [[1, 0, 0], [0.9, 0.8, 0], [0.5, 0, 0.2]]]
)
COVARIANCES = ROOTS @ ROOTS.swapaxes(1, 2)
SHIFT, SCALE = np.array([10.0, -1.0, 0.7]), np.array([2.0, 1.0, 0.1])
