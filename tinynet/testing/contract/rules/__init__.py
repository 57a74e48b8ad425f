"""The rules that every layer keeps, in the order they are tried.

A rule is a function of a `Specimen`: its name is the rule's name, its docstring states the rule, and its body is an
experiment that raises `Broken` if the rule is.
"""

from __future__ import annotations

from collections.abc import Callable

from tinynet.testing.contract.rules import arrays, backward, batch, files, memory, running
from tinynet.testing.contract.specimen import Specimen

RULES: dict[str, Callable[[Specimen], None]] = {rule.__name__: rule for rule in (
    arrays.runs, arrays.output_shape, arrays.gradient_keys, arrays.gradient_shapes, arrays.float32_parameters,
    arrays.dtype_kept, arrays.float32_agrees,
    memory.inputs_not_written, memory.state_declared, memory.outputs_not_overwritten, memory.no_aliasing,
    memory.memory_layout,
    batch.batch_independence, batch.batch_of_one, batch.empty_batch, batch.gradient_sums,
    backward.gradients, backward.backward_linear, backward.backward_repeatable, backward.backward_overwrites,
    backward.live_forwards,
    running.training_declared, running.inference_repeatable, running.random_from_build, running.threads,
    running.kernel_sets_agree,
    files.config_round_trip, files.save_load,
)}
