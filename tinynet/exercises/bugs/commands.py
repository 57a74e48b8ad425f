"""``python -m tinynet bugs``: list, start, symptom, guess, hint, check, solution and progress."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from difflib import unified_diff
from pathlib import Path
from textwrap import fill, indent

from tinynet.exercises.bugs import folder as folders
from tinynet.exercises.bugs.catalogue import LEVELS, Bug, find, load
from tinynet.exercises.bugs.folder import Folder
from tinynet.exercises.bugs.guessing import judge, original_line
from tinynet.exercises.bugs.running import Run, agrees, look, run, run_beside
from tinynet.tables import Table

RIGHT, WRONG, UNFINISHED = 0, 1, 2                  # exit codes
KINDS = ("first steps: one number or one curve gives it away", "the symptom is a way off", "quiet ones")


def show_list(folder: Folder, chosen: argparse.Namespace) -> int:
    """Say which bugs there are, level by level, and what is seen of each."""
    records = folder.records()
    for level in LEVELS:
        bugs = [bug for bug in load().values() if bug.level == level]
        rows = [[bug.name, ", ".join(bug.right()), bug.title, records[bug.name].end if bug.name in records else ""]
                for bug in bugs]
        print(f"Level {level}, {KINDS[level - 1]}:\n")
        print("\n".join(Table(["name", "file", "what is seen", ""], rows).lines(left=4)), end="\n\n")
    print(f"Begin with: {folder.command('start')}")
    return RIGHT


def start(folder: Folder, chosen: argparse.Namespace) -> int:
    """Write the broken copy of a bug, of the next one without a name; what is there already stays as it is."""
    bug = find(chosen.name) if chosen.name else next_bug(folder)
    if bug is None:
        print(f"All bugs were started. How they stand: {folder.command('progress')}")
        return RIGHT
    written, kept = folder.start(bug)
    for path in written:
        print(f"Written: {path}")
    for path in kept:
        print(f"Kept as it is: {path}")
    print()
    symptom(folder, argparse.Namespace(name=bug.name))
    first = bug.guilty if len(bug.files) == 1 else "FILE"
    print(f"\nWhich line is it?  {folder.command('guess', bug.name, f'{first}:LINE')}\n"
          f"Or repair it, and  {folder.command('check', bug.name)}\n"
          f"Stuck?             {folder.command('hint', bug.name)}")
    return RIGHT


def next_bug(folder: Folder) -> Bug | None:
    """Return the first bug that was not started."""
    return next((bug for bug in load().values() if not folder.started(bug)), None)


def symptom(folder: Folder, chosen: argparse.Namespace) -> int:
    """Run the copy, and show what is seen from outside beside what ought to be."""
    bug = find(chosen.name)
    folder.expect_started(bug)
    seen, wanted = look(bug, folder.place(bug))
    print(f"{bug.name}, level {bug.level}: {bug.title}\n")
    print(fill(bug.story, 100), end="\n\n")
    print(f"python look.py prints:\n\n{shown(seen)}\n")
    if agrees(seen, wanted):
        print(f"which is right: the symptom is gone. Whether all is well: {folder.command('check', bug.name)}")
    else:
        print(f"and beside a copy without the bug:\n\n{shown(wanted)}")
    return RIGHT


def shown(run: Run) -> str:
    """Return what a script has printed, indented, and say so if it did not come to its end."""
    return indent(run.text + "\n(It stopped before its end.)" * (not run.done), "    ").strip("\n")


def guess(folder: Folder, chosen: argparse.Namespace) -> int:
    """Judge FILE:LINE."""
    bug = find(chosen.name)
    texts, record = folder.texts(bug), folder.record(bug)
    file, line = place(chosen.place, bug, texts)
    broken = bug.broken()
    result = judge(original_line(line, texts[file], broken[file]), file, bug.guilty, bug.right()[bug.guilty],
                   broken[bug.guilty])
    compared = ""
    if record.distance and not result.right and list(result.distance) != record.distance:
        compared = " Warmer than before." if list(result.distance) < record.distance else " Colder than before."
    if not record.end:                           # what is guessed after the end counts no more
        record.guesses, record.distance = record.guesses + 1, list(result.distance)
        record.end = folders.FOUND * result.right
        folder.remember(bug, record)
    print(f"{file}:{line}   {texts[file].splitlines()[line - 1].strip()}", fill(result.words + compared, 100),
          sep="\n\n")
    if result.right:
        if record.end == folders.FOUND:
            print(f"Found with guess number {record.guesses} and {counted(record.hints, 'hint')}.\n")
        reveal(bug)
        print(f"\nThe next one: {folder.command('start')}")
    return RIGHT if result.right else WRONG


def place(text: str, bug: Bug, texts: dict[str, str]) -> tuple[str, int]:
    """Read FILE:LINE, or LINE alone where there is one file, or raise a ValueError."""
    path, _, number = text.rpartition(":")
    name = Path(path).name if path else bug.guilty
    if name not in texts or not number.isdecimal() or (not path and len(texts) > 1):
        raise ValueError(f"expected FILE:LINE, with a file of {bug.name}: {', '.join(texts)}. Received: {text!r}.")
    lines = len(texts[name].splitlines())
    if not 1 <= int(number) <= lines:
        raise ValueError(f"expected a line from 1 to {lines} of {name}. Received: {number}.")
    return name, int(number)


def hint(folder: Folder, chosen: argparse.Namespace) -> int:
    """Give the next hint, of three, after those that were given."""
    bug = find(chosen.name)
    folder.expect_started(bug)
    record = folder.record(bug)
    record.hints = min(record.hints + 1, len(bug.hints))
    folder.remember(bug, record)
    for number, text in enumerate(bug.hints[:record.hints], 1):
        print(fill(f"{number}. {text}", 100, subsequent_indent="   "))
    left = len(bug.hints) - record.hints
    print(f"\n{counted(left, 'hint')} left." if left else
          f"\nThat was the last one. The line: {folder.command('solution', bug.name)}")
    return RIGHT


def check(folder: Folder, chosen: argparse.Namespace) -> int:
    """Say whether the learner's copy is repaired: the symptom is gone, and the check that knows of the bug passes."""
    bug = find(chosen.name)
    texts = folder.texts(bug)
    if texts == bug.broken():
        print(f"{folder.place(bug)}: the copy is as it was handed out, with the bug in it. Nothing was repaired yet.")
        return UNFINISHED
    seen, wanted = look(bug, folder.place(bug))
    if not agrees(seen, wanted):
        print(f"The symptom is still there. It prints:\n\n{shown(seen)}\n\nand without the bug:\n\n{shown(wanted)}")
        return WRONG
    caught = run(bug.catch, folder.place(bug))
    if not caught.done:
        print("The symptom is gone, but not what is behind it: the check that is made for this bug fails still. Does "
              "your change repair the line, or only what one sees of it here?")
        return WRONG
    record = folder.record(bug)
    record.end = record.end or folders.REPAIRED
    folder.remember(bug, record)
    print("Repaired: the symptom is gone, and the check that is made for this bug passes.\n")
    reveal(bug)
    print(f"\nThe next one: {folder.command('start')}")
    return RIGHT


def solution(folder: Folder, chosen: argparse.Namespace) -> int:
    """Show the line, the difference and the check that catches it; of a bug that is not found, after asking."""
    bug = find(chosen.name)
    record = folder.record(bug)
    if not record.end:
        if not (chosen.yes or agreed(bug)):
            print(f"Not shown; --yes shows it. Less is given away by {folder.command('hint', bug.name)}")
            return UNFINISHED
        record.end = folders.SHOWN
        folder.remember(bug, record)
    reveal(bug)
    return RIGHT


def agreed(bug: Bug) -> bool:
    """Ask whether the solution is wanted; where nobody can answer, it is not."""
    return sys.stdin.isatty() and input(f"Show where the bug of {bug.name} is? [y/N] ").strip().lower() in ("y", "yes")


def reveal(bug: Bug) -> None:
    """Print why it is wrong, the difference, the check that catches it, and what that says."""
    right, broken = (files[bug.guilty].splitlines() for files in (bug.right(), bug.broken()))
    difference = list(unified_diff(broken, right, f"{bug.guilty}, broken", f"{bug.guilty}, right", lineterm="", n=2))
    caught = run_beside(bug.catch, bug.broken())
    print(fill(bug.why, 100), indent("\n".join(difference), "    "), sep="\n\n", end="\n\n")
    print("What catches it:", indent(bug.catch.strip(), "    "), "which says of the broken copy:",
          indent(last_part(caught.text), "    "), sep="\n\n")


def last_part(text: str) -> str:
    """Return what an error says, without the calls that led to it."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line and not line.startswith(" ")]
    after = [number for number in starts if not lines[number].startswith("Traceback")]
    return "\n".join(lines[after[0]:] if after else lines)


def progress(folder: Folder, chosen: argparse.Namespace) -> int:
    """Print a table of the bugs that were started, and how many were found of each level."""
    records = folder.records()
    rows = [[bug.name, str(bug.level), record.end or "open", str(record.guesses), str(record.hints)]
            for bug in load().values() if folder.started(bug) or bug.name in records
            for record in [records.get(bug.name, folders.Record())]]
    if rows:
        print("\n".join(Table(["bug", "level", "", "guesses", "hints"], rows).lines(left=3)), end="\n\n")
    for level in LEVELS:
        names = [bug.name for bug in load().values() if bug.level == level]
        done = sum(records[name].end in (folders.FOUND, folders.REPAIRED) for name in names if name in records)
        print(f"Level {level}: {done} of {len(names)} found")
    return RIGHT


def counted(number: int, what: str) -> str:
    """Say how many: no hint, 1 hint, 2 hints."""
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


COMMANDS: dict[str, Callable[[Folder, argparse.Namespace], int]] = {
    "list": show_list, "start": start, "symptom": symptom, "guess": guess, "hint": hint, "check": check,
    "solution": solution, "progress": progress}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    made = argparse.ArgumentParser(prog="python -m tinynet bugs", description="Find the bug in a broken copy: exit "
                                   "code 0 means right, 1 wrong, 2 not finished or not understood.")
    commands = made.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        if name not in ("list", "progress"):
            one.add_argument("name", metavar="NAME", nargs="?" if name == "start" else None)
        if name == "guess":
            one.add_argument("place", metavar="FILE:LINE")
        if name == "solution":
            one.add_argument("--yes", action="store_true", help="do not ask")
        one.add_argument("--folder", type=Path, default=Path("."), metavar="DIR", help="where you work; else here")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what was not understood is said in words."""
    chosen = parser().parse_args(arguments)
    if chosen.command is None:
        parser().print_help()
        return RIGHT
    try:
        return COMMANDS[chosen.command](Folder(chosen.folder), chosen)
    except ValueError as error:
        print(error, file=sys.stderr)
        return UNFINISHED
