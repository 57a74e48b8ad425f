"""The page's modules as one script, so that a page needs no other file.

A browser loads no module from a disk: to it, every file there is another site. So each module becomes a function that
is called once and returns what the module exports; an import takes that apart. Modules keep their own names, which one
scope for all would mix up, and the script needs neither blob: nor data: addresses, which a page that allows nothing but
its own scripts would have to allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

IMPORT = re.compile(r'^import (?P<names>\{[^}]*\}) from "(?P<path>[^"]+)";$', re.MULTILINE)
DYNAMIC = re.compile(r'await import\("(?P<path>[^"]+)"\)')
EXPORT = re.compile(r"^export (?P<rest>(?:async )?(?:function|class|const) (?P<name>\w+))", re.MULTILINE)
OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def as_one_script(folder: Path, entry: str, without: Iterable[str] = ()) -> str:
    """Return a module and all that it imports, but those named in `without`, as one script."""
    ordered: dict[str, str] = dict.fromkeys(without, "")        # those that others need first
    _add(folder, entry, ordered, [])
    return '"use strict";\nconst modules = {};\n' + "".join(ordered.values())


def _add(folder: Path, name: str, ordered: dict[str, str], importing: list[str]) -> None:
    """Add a module after all that it imports."""
    if name in ordered:
        return
    if name in importing:
        raise ValueError(f"{name}: expected modules that do not import each other in a circle. Received: "
                         f"{' -> '.join([*importing, name])}.")
    text = (folder / name).read_text(encoding="utf-8")
    for pattern in (IMPORT, DYNAMIC):
        for found in pattern.finditer(text):
            _add(folder, resolved(name, found["path"]), ordered, [*importing, name])
    ordered[name] = as_function(name, text)


def as_function(name: str, text: str) -> str:
    """Return a module as a function that is called once.

    >>> print(as_function("a.js", 'import { f as g } from "./b.js";\\nexport const two = g(1);'))
    // a.js
    modules["a.js"] = (() => {
    const { f: g } = modules["b.js"];
    const two = g(1);
    return { two };
    })();
    <BLANKLINE>
    """
    names = [found["name"] for found in EXPORT.finditer(text)]
    text = IMPORT.sub(lambda found: f'const {found["names"].replace(" as ", ": ")} = '
                                    f'modules["{resolved(name, found["path"])}"];', text)
    text = DYNAMIC.sub(lambda found: f'modules["{resolved(name, found["path"])}"]', text)
    text = EXPORT.sub(lambda found: found["rest"], text)
    if other := OTHER.search(text):
        raise ValueError(f'{name}: expected import {{ names }} from "./path"; and export before a function, a class or '
                         f"a const. Received: {other[0]}")
    returned = f"return {{ {', '.join(names)} }};\n" if names else ""
    return f'// {name}\nmodules["{name}"] = (() => {{\n{text.rstrip()}\n{returned}}})();\n'


def resolved(module: str, path: str) -> str:
    """Return the name of a module that another one imports by a path.

    >>> resolved("local/engine.js", "../state.js"), resolved("main.js", "./maps.js")
    ('state.js', 'maps.js')
    """
    parts: list[str] = []
    for part in (PurePosixPath(module).parent / path).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
