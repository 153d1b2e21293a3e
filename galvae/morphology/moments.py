"""Size and shape of a galaxy by adaptive moments."""

import math

import numpy as np

from galvae.morphology.compiled import kernel

MOST_STEPS = 200
CONVERGED = 1e-5  # relative change of the moments in the last step
REACH = 25.0  # squared distance, in the metric of the moments, beyond which the weight is negligible (4e-6)


@kernel
def adaptive_moments(image, excluded, x, y, xx, yy, xy):
    """Moments of a galaxy under a Gaussian weight that has the galaxy's own centre and shape.

    With the weight exp(-rho^2 / 2), where rho is the distance in the metric of the second moments M, the moments are
    those at which the weighted ones are M / 2, as they are for a Gaussian. Each step sets M to twice the weighted
    moments.

    Args:
        image: (H, W) without its sky.
        excluded: (H, W) bool, pixels that do not count.
        x, y: centre (column and row) to begin with.
        xx, yy, xy: second moments in squared pixels to begin with.

    Returns:
        (sigma, e1, e2, rho4): size in pixels, det(M)^(1/4); (Mxx - Myy) / (Mxx + Myy); 2 Mxy / (Mxx + Myy); the
        weighted mean of rho^4. All NaN if the moments do not converge, or leave the stamp.

    Reference:
        Bernstein & Jarvis 2002, AJ 123, 583, section 3; Hirata & Seljak 2003, MNRAS 343, 459, section 2.1.
    """
    height, length = image.shape
    for _ in range(MOST_STEPS):
        determinant = xx * yy - xy * xy
        # The moments of a galaxy much smaller than a pixel, or larger than the stamp, are those of noise.
        if not (determinant > 1e-3 and xx + yy < 0.5 * (height * height + length * length)):
            break
        total, sum_x, sum_y, sum_xx, sum_yy, sum_xy, fourth = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        reach_x, reach_y = math.sqrt(REACH * xx), math.sqrt(REACH * yy)
        for row in range(max(0, int(y - reach_y)), min(height, int(y + reach_y) + 2)):
            dy = row - y
            for column in range(max(0, int(x - reach_x)), min(length, int(x + reach_x) + 2)):
                dx = column - x
                rho2 = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant
                if rho2 > REACH or excluded[row, column]:
                    continue
                weighted = math.exp(-0.5 * rho2) * image[row, column]
                total += weighted
                sum_x += weighted * dx
                sum_y += weighted * dy
                sum_xx += weighted * dx * dx
                sum_yy += weighted * dy * dy
                sum_xy += weighted * dx * dy
                fourth += weighted * rho2 * rho2
        if not total > 0:
            break
        # Away from the centre the weighted mean, too, is half of the galaxy's offset.
        step_x, step_y = 2 * sum_x / total, 2 * sum_y / total
        new_xx, new_yy, new_xy = 2 * sum_xx / total, 2 * sum_yy / total, 2 * sum_xy / total
        change = abs(new_xx - xx) + abs(new_yy - yy) + abs(new_xy - xy)
        shift = step_x * step_x + step_y * step_y
        converged = change < CONVERGED * (xx + yy) and shift < CONVERGED * (xx + yy)
        # Of a Gaussian, a step goes half of the way: twice as far, unless that would shrink the moments by much.
        far_xx, far_yy, far_xy = 2 * new_xx - xx, 2 * new_yy - yy, 2 * new_xy - xy
        if far_xx > 0 and far_xx * far_yy - far_xy * far_xy > 0.25 * determinant:
            new_xx, new_yy, new_xy = far_xx, far_yy, far_xy
        x, y, xx, yy, xy = x + step_x, y + step_y, new_xx, new_yy, new_xy
        if not (0 <= x <= length - 1 and 0 <= y <= height - 1):
            break
        if converged:
            size = xx + yy
            return max(xx * yy - xy * xy, 0.0) ** 0.25, (xx - yy) / size, 2 * xy / size, fourth / total
    return np.nan, np.nan, np.nan, np.nan
