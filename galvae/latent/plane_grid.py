"""A grid of square cells over a plane, and the points that lie in each cell or in a box."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cells:
    """Square cells that cover a rectangle of the plane.

    Attributes:
        x: (columns,) centres of the columns, increasing.
        y: (rows,) centres of the rows, increasing.
        side: side of a cell, in units of the plane.
    """

    x: np.ndarray
    y: np.ndarray
    side: float

    @classmethod
    def over(cls, region, count):
        """Cells over a rectangle, centred on it.

        Args:
            region: (x0, x1, y0, y1).
            count: number of cells along the longer side.
        """
        x0, x1, y0, y1 = region
        side = max(x1 - x0, y1 - y0) / count
        axes = []
        for low, high in ((x0, x1), (y0, y1)):
            cells = max(1, int(np.ceil((high - low) / side - 1e-6)))
            axes.append((low + high) / 2 + side * (np.arange(cells) - (cells - 1) / 2))
        return cls(*axes, side)

    @property
    def centres(self):
        """Coordinates of the cells' centres, (rows, columns, 2)."""
        return np.stack(np.meshgrid(self.x, self.y), axis=-1)

    @property
    def shape(self):
        """Number of rows and of columns."""
        return len(self.y), len(self.x)

    def cell_of(self, points):
        """Row and column of the cell in which each point lies.

        Args:
            points: (n, 2).

        Returns:
            (row, column), (n,) integers each, out of range for points outside.
        """
        column, row = np.floor((points - [self.x[0], self.y[0]]) / self.side + 0.5).astype(int).T
        return row, column

    def near(self, points):
        """Cells that contain a point or are adjacent to one that does, as (rows, columns) booleans.

        Args:
            points: (n, 2).
        """
        rows, columns = self.shape
        row, column = self.cell_of(points)
        occupied = np.zeros((rows + 4, columns + 4), bool)
        within = (row >= -1) & (row <= rows) & (column >= -1) & (column <= columns)
        occupied[row[within] + 2, column[within] + 2] = True
        near = np.zeros(self.shape, bool)
        for down in (1, 2, 3):
            for right in (1, 2, 3):
                near |= occupied[down : down + rows, right : right + columns]
        return near

    def most_central(self, points):
        """Position in `points` of the point closest to the centre of each cell.

        Args:
            points: (n, 2).

        Returns:
            (rows, columns) integers, -1 for empty cells.
        """
        row, column = self.cell_of(points)
        rows, columns = self.shape
        within = np.flatnonzero((row >= 0) & (row < rows) & (column >= 0) & (column < columns))
        cell = row[within] * columns + column[within]
        distances = np.linalg.norm(points[within] - self.centres[row[within], column[within]], axis=1)
        order = np.lexsort((distances, cell))
        occupied, first = np.unique(cell[order], return_index=True)
        central = np.full(rows * columns, -1)
        central[occupied] = within[order[first]]
        return central.reshape(self.shape)


def inside(points, box):
    """Which points lie in a box, including its border, as (n,) booleans.

    Args:
        points: (n, 2).
        box: [x0, x1, y0, y1].
    """
    x0, x1, y0, y1 = box
    x, y = points.T
    return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
