"""Several processes: what needs mpiexec and mpi4py, and runs in `make test-mpi` alone."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """Mark what needs MPI."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.mpi)
