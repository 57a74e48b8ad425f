"""The page in a notebook: a frame; where that runs on another machine than the browser, the page file inline."""

from __future__ import annotations

import os
import tempfile
from html import escape
from pathlib import Path

import numpy as np

from tinynet.models import Sequential

HEIGHT = 900                                           # pixels
OFFERED = 20                                           # samples to pick from in the page file
ELSEWHERE = {                                          # what is set where a notebook's machine is another one
    "JUPYTERHUB_USER", "BINDER_SERVICE_HOST", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE", "CODESPACES",
    "DEEPNOTE_PROJECT_ID", "GITPOD_WORKSPACE_ID", "SAGEMAKER_INTERNAL_IMAGE_URI", "SSH_CONNECTION",
}


def runs_elsewhere() -> bool:
    """Return whether this seems to run on another machine than the browser that shows the notebook."""
    return bool(ELSEWHERE & os.environ.keys())


def frame(url: str) -> str:
    """Return the page in a frame, and a link to it."""
    return (f'<iframe src="{escape(url)}" title="tinynet explorer" width="100%" height="{HEIGHT}" style="border: 0">'
            f'</iframe><p><a href="{escape(url)}" target="_blank">The page in a tab of its own</a></p>')


def inline(model: Sequential, samples: np.ndarray) -> str:
    """Return the page file of a model in a frame: it needs no way back to this machine."""
    from tinynet.explore.exporting.export import export_page
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(export_page(model, Path(folder) / "page.html", x=samples if len(samples) else None))
        except ValueError as error:
            return f"<p>{escape(str(error))}</p>"
        page = path.read_text(encoding="utf-8")
    return (f'<iframe srcdoc="{escape(page)}" title="tinynet explorer" width="100%" height="{HEIGHT}" '
            f'style="border: 0"></iframe><p>The page file: it computes by itself, and cannot train.</p>')
