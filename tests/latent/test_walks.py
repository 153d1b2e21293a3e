import numpy as np

from galvae.latent.walks import axis_codes, plane_codes, slerp


def test_slerp_keeps_to_the_sphere_and_to_even_angles():
    path = slerp(np.array([2.0, 0, 0]), np.array([0, 2.0, 0]), 5)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2)
    angles = np.arctan2(path[:, 1], path[:, 0])
    np.testing.assert_allclose(angles, np.linspace(0, np.pi / 2, 5), atol=1e-12)
    # Lengths change evenly; the ends are the codes themselves.
    path = slerp(np.array([1.0, 0]), np.array([0, 3.0]), 3)
    np.testing.assert_allclose(path[[0, 2]], [[1, 0], [0, 3]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path[1]), 2)
    # Without a direction, or with the same one, a straight line.
    for start, end in (([0.0, 0], [1.0, 1]), ([1.0, 1], [3.0, 3]), ([1.0, 0], [-1.0, 0])):
        path = slerp(np.array(start), np.array(end), 3)
        np.testing.assert_allclose(path[1], np.mean([start, end], axis=0))


def test_walks_change_what_they_walk_along_and_nothing_else():
    origin = np.array([9.0, 8, 7, 6])
    codes = axis_codes(origin, [2, 0], np.array([[-1.0, 0, 1], [-2, 0, 2]]))
    assert codes.shape == (2, 3, 4)
    np.testing.assert_array_equal(codes[0, :, 2], [-1, 0, 1])
    np.testing.assert_array_equal(codes[1, :, 0], [-2, 0, 2])
    np.testing.assert_array_equal(codes[0][:, [0, 1, 3]], [[9, 8, 6]] * 3)
    plane = plane_codes(origin, (3, 1), np.array([1.0, 2, 3]), np.array([10.0, 20]))
    assert plane.shape == (2, 3, 4)
    np.testing.assert_array_equal(plane[1, 2], [9, 20, 7, 3])
    np.testing.assert_array_equal(plane[0, :, 3], [1, 2, 3])
