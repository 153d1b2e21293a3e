"""Square cells over a plane: which places lie in them, and in a box."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cells:
    """Square cells that cover a region of the plane.

    Attributes:
        x, y: (columns,) and (rows,) centres, increasing.
        side: of a cell.
    """

    x: np.ndarray
    y: np.ndarray
    side: float

    @classmethod
    def over(cls, region, longest):
        """Cells over (x0, x1, y0, y1), `longest` of them along its longer side, centred on it."""
        x0, x1, y0, y1 = region
        side = max(x1 - x0, y1 - y0) / longest
        axes = []
        for low, high in ((x0, x1), (y0, y1)):
            count = max(1, int(np.ceil((high - low) / side - 1e-6)))
            axes.append((low + high) / 2 + side * (np.arange(count) - (count - 1) / 2))
        return cls(*axes, side)

    @property
    def centres(self):
        """(rows, columns, 2)."""
        return np.stack(np.meshgrid(self.x, self.y), axis=-1)

    def of(self, places):
        """Row and column of the cell of each place, (n,) integers; those outside have none of `shape`."""
        column, row = np.floor((places - [self.x[0], self.y[0]]) / self.side + 0.5).astype(int).T
        return row, column

    @property
    def shape(self):
        """(rows, columns)."""
        return len(self.y), len(self.x)

    def near(self, places):
        """Whether each cell holds or borders a place, (rows, columns) booleans."""
        rows, columns = self.shape
        row, column = self.of(places)
        found = np.zeros((rows + 4, columns + 4), bool)
        held = (row >= -1) & (row <= rows) & (column >= -1) & (column <= columns)
        found[row[held] + 2, column[held] + 2] = True
        near = np.zeros(self.shape, bool)
        for down in (1, 2, 3):
            for right in (1, 2, 3):
                near |= found[down : down + rows, right : right + columns]
        return near

    def most_central(self, places):
        """Row in `places` of the one nearest to each cell's centre among those inside; -1 where there is none."""
        row, column = self.of(places)
        rows, columns = self.shape
        held = np.flatnonzero((row >= 0) & (row < rows) & (column >= 0) & (column < columns))
        cell = row[held] * columns + column[held]
        apart = np.linalg.norm(places[held] - self.centres[row[held], column[held]], axis=1)
        order = np.lexsort((apart, cell))
        cells, first = np.unique(cell[order], return_index=True)
        found = np.full(rows * columns, -1)
        found[cells] = held[order[first]]
        return found.reshape(self.shape)


def inside(places, box):
    """Which places lie in a box [x0, x1, y0, y1], its border included; (n,) booleans."""
    x0, x1, y0, y1 = box
    x, y = places.T
    return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
