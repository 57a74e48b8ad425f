"""What to do with tinynet at a command line: ``python -m tinynet`` says it.

A command is a function here, a line of `COMMANDS`, and a module with a function ``main(arguments)`` that parses its own
options. The module is imported only when its command is asked for.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import tinynet


def demo(arguments: Sequence[str]) -> int:
    """Train a small CNN on part of MNIST, and read a digit with it: about a minute."""
    from tinynet import demo
    return demo.main(arguments)


def explore(arguments: Sequence[str]) -> int:
    """Open a page on which every number of a model can be touched, forward and backward, while it trains."""
    from tinynet.explore import command
    return command.main(arguments)


def exercises(arguments: Sequence[str]) -> int:
    """Write a network yourself, function by function, and have it marked: list, start, check, hint, ..."""
    from tinynet.exercises import command
    return command.main(arguments)


def bugs(arguments: Sequence[str]) -> int:
    """Find the bug in broken copies of layers and scripts; start with: bugs start."""
    from tinynet.exercises.bugs import commands
    return commands.main(arguments)


COMMANDS = {command.__name__: command for command in (demo, explore, exercises, bugs)}
BESIDE = {                                       # the package, in the source
    "the book": "docs/index.md",
    "lessons and tools to run": "examples",
    "the tests, and where a new one goes": "tests/README.md",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, with the arguments that follow it; without one, say what there is."""
    parser = argparse.ArgumentParser(prog="python -m tinynet", description="tinynet, a deep-learning engine to read.",
                                     epilog=places(), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"tinynet {tinynet.__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__, add_help=False)      # --help is its own module's to answer
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.command is None:
        parser.print_help() if not rest else parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return 0
    try:
        code = COMMANDS[chosen.command](rest)
        sys.stdout.flush()
    except BrokenPipeError:                      # who reads, as in `... list | head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())       # nothing is left to fail at the exit
        return 128 + 13                          # as a shell says of a program that SIGPIPE ended
    return code


def places() -> str:
    """Say where book, examples and tests are: beside the package in the source, and not in what pip installs."""
    source = Path(tinynet.__file__).resolve().parents[1]
    installed = not all((source / place).exists() for place in BESIDE.values())
    where = f"not installed, but in the source, tinynet-{tinynet.__version__}.tar.gz:" if installed else f"in {source}:"
    return "\n".join([where, *(f"  {place:<16}  {what}" for what, place in BESIDE.items())])


if __name__ == "__main__":
    raise SystemExit(main())
