"""`explore`: a page on a model of one's own, served from here as long as it runs."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from types import TracebackType
from typing import Self

from numpy.typing import ArrayLike

from tinynet.checks import check_int, invalid
from tinynet.explore import notebook
from tinynet.explore.samples import gather
from tinynet.explore.serving.server import Server
from tinynet.explore.session import Session
from tinynet.losses import SparseCategoricalCrossentropy
from tinynet.models import Sequential
from tinynet.testing.cloning import clone
from tinynet.training.data import as_samples

PAGE = Path(__file__).parent / "page"


class Explorer:
    """A page that is being served, until `stop` is called, the ``with`` it was made by ends, or Python does.

    Attributes
    ----------
    url : the address of the page; the token in it is the key, so it is for this machine's user alone.
    model : the copy that the page works on.
    """

    def __init__(self, session: Session, server: Server):
        self._session, self._server = session, server
        self.url, self.model = server.url, session.model
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True, name="tinynet explore")
        self._thread.start()

    def stop(self) -> None:
        """End the page's server; once more is no error."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server.hang_up()
        self._session.trainer.pause()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        if notebook.runs_elsewhere():
            with self._session.turns:
                return notebook.inline(self.model, self._session.data.test.take(slice(notebook.OFFERED),
                                                                                self.model.dtype))
        return notebook.frame(self.url)

    def __repr__(self) -> str:
        return f"<Explorer of {self.model}: {self.url if self._thread.is_alive() else 'stopped'}>"


def explore(model: Sequential, x: ArrayLike | None = None, y: ArrayLike | None = None, *, port: int = 0,
            open_browser: bool | None = None) -> Explorer:
    """Serve a page on which every number of a model can be touched, forward and backward, and the model trained.

    It works on a copy, ``.model``; the model that was given never changes. Only this machine can open the page.

    Parameters
    ----------
    model : a `Sequential`, with layers of your own too.
    x, y : samples as `predict` takes them, and targets as `fit` does, to show and to train on, split 9:1 for training
        and test. None: MNIST where the input is 28 x 28, otherwise nothing but drawn or random input.
    port : where to listen; 0 takes one that is free.
    open_browser : True opens the page in a browser.

    Raises
    ------
    ValueError : for a model whose input shape is not known, or samples that do not fit it.
    OSError : for a port that is taken.

    >>> from tinynet import Sequential
    >>> from tinynet.layers import Dense
    >>> with explore(Sequential([Dense(2, input_dim=3)])) as page:
    ...     page.url.startswith("http://127.0.0.1:")
    True
    """
    if not isinstance(model, Sequential):
        raise invalid("explore", "a Sequential", f"{model!r:.80}")
    if check_int(port, "port", 0) > 65_535:
        raise invalid("explore", "port, at most 65535", port)
    copied = copy_of(model, x)
    session = Session(copied, gather(copied, x, y), copied.name or type(copied).__name__)
    page = Explorer(session, Server(session.methods, PAGE, port))
    if open_browser:
        webbrowser.open(page.url)
    return page


def copy_of(model: Sequential, x: ArrayLike | None) -> Sequential:
    """Return a copy of a model, built, and compiled if it is a classifier that was not."""
    copied: Sequential = clone(model)
    if copied is model:
        raise invalid("explore", "a model that can be copied", f"{model}, one of whose layers holds what cannot")
    if copied.output_shape is None and x is not None:
        copied.build(as_samples(x, None).shape[1:])
    if copied.output_shape is None or not copied.steps():
        raise invalid("explore", "a model with layers, whose input shape is known", f"{model}, not built yet")
    if copied.loss is None and len(copied.output_shape) == 1 and copied.output_shape[0] > 1:
        ends = getattr(copied.steps()[-1].layer, "gives_probabilities", None) == "softmax"
        copied.compile("adam", SparseCategoricalCrossentropy(from_logits=not ends))
    return copied
