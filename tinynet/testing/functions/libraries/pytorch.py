"""PyTorch: functions of tensors, Modules with their parameters, and autograd.Function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynet.testing.cloning import clone
from tinynet.testing.functions.libraries.library import Flat, Library


class PyTorch(Library):
    """PyTorch; random numbers are drawn anew from the same state each time."""

    title = "PyTorch"

    def __init__(self) -> None:
        self.torch = sys.modules["torch"]
        self.state = self.torch.get_rng_state()
        self.device = "cpu"

    def owns(self, f: Any, args: tuple[Any, ...]) -> bool:
        """Return whether it is a Module, a Function or its ``apply``, or takes tensors."""
        return isinstance(f, self.torch.nn.Module) or self.function_class(f) is not None or super().owns(f, args)

    def function_class(self, f: Any) -> Any:
        """Return the autograd.Function that f is, or whose ``apply`` it is."""
        for thing in (f, getattr(f, "__self__", None)):
            if isinstance(thing, type) and issubclass(thing, self.torch.autograd.Function):
                return thing
        return None

    def title_of(self, f: Any) -> str:
        """Return what the report calls a function; a Function by its class."""
        return super().title_of(self.function_class(f) or f)

    def names(self, f: Any, args: tuple[Any, ...]) -> list[str]:
        """Return the names of the arguments in the method that a user has written."""
        if isinstance(f, self.torch.nn.Module):
            return super().names(f.forward, args)
        function = self.function_class(f)
        if function is None:
            return super().names(f, args)
        context = () if function.setup_context is not self.torch.autograd.Function.setup_context else (None,)
        return super().names(function.forward, (*context, *args))[len(context):]

    def is_array(self, leaf: Any) -> bool:
        """Return whether this is a tensor."""
        return isinstance(leaf, self.torch.Tensor)

    def to_numpy(self, leaf: Any) -> Any:
        """Return a floating tensor as an array; bfloat16, which NumPy does not have, as float32."""
        if not self.is_array(leaf) or not (leaf.is_floating_point() or leaf.is_complex()):
            return leaf
        self.device = str(leaf.device)
        leaf = leaf.detach().resolve_conj().resolve_neg().cpu()
        return (leaf.float() if leaf.dtype == self.torch.bfloat16 else leaf).numpy().copy()

    def callable(self, f: Any) -> Any:
        """Return a Function's ``apply``."""
        function = self.function_class(f)
        return f if function is None else function.apply

    def parameters(self, f: Any) -> dict[str, Any]:
        """Return a Module's parameters, each once."""
        return dict(f.named_parameters()) if isinstance(f, self.torch.nn.Module) else {}

    def with_parameters(self, f: Any, training: bool | None) -> Callable[..., Any]:
        """Return the function; a Module is copied, and its buffers are what they were at each call."""
        if not isinstance(f, self.torch.nn.Module):
            return super().with_parameters(f, training)
        module = clone(f)
        if training is not None:
            module.train(training)
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}

        def call(parameters: dict[str, Any], *args: Any) -> Any:
            floating = [a.dtype for a in (*parameters.values(), *args) if self.is_array(a) and a.is_floating_point()]
            fresh = {name: buffer.to(floating[0], copy=True) if buffer.is_floating_point() and floating
                     else buffer.clone() for name, buffer in buffers.items()}
            return self.torch.func.functional_call(module, {**parameters, **fresh}, args)
        return call

    def leaf_tensors(self, xs: list[Any]) -> list[Any]:
        """Return tensors that gradients are taken with respect to."""
        tensors = [self.torch.from_numpy(np.array(x)) for x in xs]
        return [(t if self.device == "cpu" else t.to(self.device)).requires_grad_() for t in tensors]

    def outputs(self, flat: Flat, tensors: list[Any]) -> list[Any]:
        """Run a function on copies, which it may write to."""
        self.torch.set_rng_state(self.state)
        with self.torch.enable_grad():
            return flat(*(tensor.clone() for tensor in tensors))

    def run(self, flat: Flat, xs: list[Any]) -> list[np.ndarray]:
        """Return the outputs; what was written to an argument is written to the NumPy array as well."""
        given: list[Any] = []

        def watched(*tensors: Any) -> list[Any]:
            given.extend(tensors)
            return flat(*tensors)
        ys = self.outputs(watched, self.leaf_tensors(xs))
        for x, tensor in zip(xs, given, strict=True):
            if tensor._version and isinstance(x, np.ndarray):
                x[...] = self.to_numpy(tensor)
        return [np.asarray(self.to_numpy(y)) for y in ys]

    def pull(self, flat: Flat, dys: list[Any], xs: list[Any]) -> list[Any]:
        """Return the gradients; zeros where no gradient arrives."""
        tensors = self.leaf_tensors(xs)
        ys = self.outputs(flat, tensors)
        gradients = self.gradients(ys, tensors, [
            self.torch.tensor(dy, dtype=y.dtype, device=y.device) for dy, y in zip(dys, ys, strict=True)])
        return [self.to_numpy(gradient) for gradient in gradients]

    def derivative(self, flat: Flat, outputs: int) -> Flat:
        """Return the gradients with a graph of their own."""
        def gradients(*given: Any) -> list[Any]:
            dys, xs = given[:outputs], given[outputs:]
            return self.gradients(flat(*xs), xs, dys, create_graph=True)
        return gradients

    def gradients(self, ys: Any, xs: Any, dys: Any, **options: bool) -> list[Any]:
        """Run backward from the outputs that depend on anything."""
        pairs = [(y, dy) for y, dy in zip(ys, dys, strict=True) if y.requires_grad]
        if not pairs:
            return [self.torch.zeros_like(x) for x in xs]
        return list(self.torch.autograd.grad([y for y, _ in pairs], list(xs), [dy for _, dy in pairs],
                                             allow_unused=True, materialize_grads=True, **options))

    @contextmanager
    def session(self) -> Iterator[None]:
        """Leave the random state behind as it was; meanwhile one thread, which for small arrays is the fastest."""
        threads = self.torch.get_num_threads()
        self.torch.set_num_threads(1)
        try:
            yield
        finally:
            self.torch.set_num_threads(threads)
            self.torch.set_rng_state(self.state)
