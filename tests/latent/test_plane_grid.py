import numpy as np

from galvae.latent.plane_grid import Cells, inside


def test_cells_cover_a_region_with_squares():
    cells = Cells.over([0, 10, 2, 7.5], 5)
    assert cells.side == 2
    np.testing.assert_allclose(cells.x, [1, 3, 5, 7, 9])
    np.testing.assert_allclose(cells.y, [2.75, 4.75, 6.75])
    assert cells.shape == (3, 5)
    np.testing.assert_allclose(cells.centres[2, 1], [3, 6.75])


def test_cells_near_a_point_contain_or_adjoin_it():
    cells = Cells.over([0, 5, 0, 5], 5)
    expected = np.zeros((5, 5), bool)
    expected[:2, 1:4] = True
    np.testing.assert_array_equal(cells.near(np.array([[2.5, 0.5]])), expected)
    expected[:] = False
    expected[4, 4] = True
    np.testing.assert_array_equal(cells.near(np.array([[5.5, 5.5], [6.5, 1], [-3, -100]])), expected)


def test_the_point_closest_to_a_cells_centre_represents_it():
    cells = Cells.over([0, 3, 0, 2], 3)
    points = np.array(
        [[0.9, 0.9], [0.6, 0.5], [0.1, 0.1], [1.5, 0.2], [-0.1, 0.5], [7, 7], [2.5, 1.1], [2.5, 1.4]]
    )
    np.testing.assert_array_equal(cells.most_central(points), [[1, 3, -1], [-1, -1, 7]])


def test_inside_a_box_means_both_coordinates():
    points = np.array([[0, 0], [1, 1], [1, 5], [2, 3], [2.1, 3]])
    np.testing.assert_array_equal(inside(points, [0.5, 2, 0, 3]), [False, True, False, True, False])
