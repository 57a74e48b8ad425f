"""Is there what the tests of several processes need? If not, say plainly what is missing, and how to get it."""

import importlib.util
import shutil
import sys
from pathlib import Path


def mpiexec():
    """Return the mpiexec beside this Python, or the one on the path; None if there is none."""
    return shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")


def missing():
    """Return what is missing, in words."""
    if importlib.util.find_spec("mpi4py") is None:
        yield "mpi4py is not installed."
    else:
        try:
            from mpi4py import MPI  # noqa: F401
        except (ImportError, OSError, RuntimeError) as error:
            yield f"mpi4py finds no MPI library ({error})."
    if mpiexec() is None:
        yield "There is no mpiexec, neither beside this Python nor on the path."


if __name__ == "__main__":
    if found := list(missing()):
        sys.exit("\n".join(["There is no MPI, so training on several processes was NOT tested:", *found,
                            "Both come with: pip install 'tinynet[mpi]'"]))
