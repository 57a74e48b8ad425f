"""``python -m tinynet exercises``: list, start, check, hint, solution, progress."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from tinynet.exercises.catalogue import EXERCISES, find
from tinynet.exercises.exercise import Exercise
from tinynet.exercises.folder import Folder
from tinynet.exercises.source import solved
from tinynet.tables import Table

NAMED = {"check": "mark what is filled in; without a name, all of it", "hint": "the next of three hints",
         "solution": "show a solution"}
PLAIN = {"list": "the exercises, with their files and functions", "start": "write the files to fill in",
         "progress": "a table of what is done"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; `check` returns 1 for something wrong, 2 for something unfinished."""
    parser = argparse.ArgumentParser(prog="python -m tinynet exercises",
                                     description="Write a network yourself, function by function, and have it marked.")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for name, text in {**PLAIN, **NAMED}.items():
        command = commands.add_parser(name, help=text, description=text)
        if name in NAMED:
            command.add_argument("name", nargs="?" if name == "check" else None, metavar="NAME",
                                 help="of an exercise, or its number in the list")
        if name == "solution":
            command.add_argument("--yes", action="store_true", help="do not ask whether to show it")
        command.add_argument("--folder", default=".", help="where the files are (default: the current folder)")
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    folder = Folder(chosen.folder)
    if chosen.command in PLAIN:
        return {"list": show_list, "start": start, "progress": progress}[chosen.command](folder)
    try:
        exercise = find(chosen.name) if chosen.name else None
    except ValueError as error:
        parser.error(str(error))
    if exercise is None:
        return check_all(folder)
    if chosen.command == "solution":
        return solution(exercise, folder, chosen.yes)
    return (check_one if chosen.command == "check" else hint)(exercise, folder)


def show_list(folder: Folder) -> int:
    """Print every function, in order, with its exercise, chapter and file."""
    rows = [[str(k) if not n else "", exercise.name if not n else "", exercise.chapter, exercise.file, task.signature]
            for k, exercise in enumerate(EXERCISES.values(), 1) for n, task in enumerate(exercise.tasks)]
    print(*Table(["", "exercise", "chapter", "file", "function"], rows).lines(left=5), sep="\n")
    return 0


def start(folder: Folder) -> int:
    """Write the files that are not there yet, and say what to do with them."""
    written = [exercise.file for exercise in EXERCISES.values() if folder.start(exercise)]
    there = len(EXERCISES) - len(written)
    print(f"{len(written)} files written to {folder.path.resolve()}"
          + (f"; {there} were there already, and are as they were." if there else "."))
    first = next((exercise for exercise in EXERCISES.values()
                  if folder.standing(exercise, remembered=True).state != "right"), None)
    if first is None:
        print("All of them are right.")
        return 0
    print(f"{'Go on' if there else 'Begin'} with {first.file}: read what it asks for, write it, and run\n"
          f"    python -m tinynet exercises check {first.name}{option(folder)}\n"
          f"Stuck? python -m tinynet exercises hint {first.name}{option(folder)}")
    return 0


def option(folder: Folder) -> str:
    """Write the option that names the folder, if it is not the current one."""
    return "" if str(folder.path) == "." else f" --folder {folder.path}"


def check_one(exercise: Exercise, folder: Folder) -> int:
    """Mark an exercise, and print all there is to say."""
    verdict = folder.check(exercise)
    print(verdict)
    if verdict.passed:
        names = list(EXERCISES)
        for name in names[names.index(exercise.name) + 1:][:1]:
            print(f"Next: {name} ({EXERCISES[name].file}). {EXERCISES[name].title}")
        if exercise.given:
            print(f"To see the whole of it: python {folder.file(exercise)}")
    elif verdict.wrong and "unknown" in (verdict.cause or ""):
        print(f"A hint: python -m tinynet exercises hint {exercise.name}{option(folder)}")
    return code([verdict.state])


def check_all(folder: Folder) -> int:
    """Mark all, a line each, and print what there is to say of the first that is wrong."""
    states = {}
    for name, exercise in EXERCISES.items():
        states[name] = folder.standing(exercise).state
        print(f"{name:<{max(map(len, EXERCISES))}}  {states[name]}", flush=True)
    for name in [name for name, state in states.items() if state == "wrong"][:1]:
        print(f"\n{folder.check(EXERCISES[name])}")
    return code(states.values())


def code(states: Iterable[str]) -> int:
    """Return 0 if all is right, 1 if something is wrong, 2 if something is unfinished and nothing wrong."""
    found = set(states)
    return 1 if "wrong" in found else 2 if "unfinished" in found else 0


def hint(exercise: Exercise, folder: Folder) -> int:
    """Print the hints seen before, and the next one."""
    number = folder.next_hint(exercise)
    for k, text in enumerate(exercise.hints[:number], 1):
        print(f"Hint {k} of {len(exercise.hints)}: {text}")
    if number == len(exercise.hints):
        print(f"That was the last one. To see the solution: python -m tinynet exercises solution {exercise.name}")
    return 0


def solution(exercise: Exercise, folder: Folder, yes: bool) -> int:
    """Print the solution, a whole file, after asking; no file is written."""
    if not yes:
        seen = folder.hints_seen().get(exercise.name, 0)
        try:
            answer = input(f"You have seen {seen} of {len(exercise.hints)} hints of {exercise.name}. "
                           "Show the solution? [y/N] ")
        except EOFError:
            print("\nNobody to ask: add --yes to see it.")
            return 1
        if answer.strip().lower() not in ("y", "yes"):
            return 1
    print(solved(exercise), end="")
    return 0


def progress(folder: Folder) -> int:
    """Print a table: what is right, wrong, unfinished, by how much, and how many hints it took."""
    seen, rows = folder.hints_seen(), []
    for exercise in EXERCISES.values():
        mark = folder.standing(exercise)
        rows.append([exercise.name, exercise.chapter, mark.state, f"{mark.score:.0%}",
                     str(seen.get(exercise.name, 0) or "")])
    done = sum(row[2] == "right" for row in rows)
    print(*Table(["exercise", "chapter", "state", "score", "hints"], rows).lines(left=3), sep="\n")
    print(f"\n{done} of {len(rows)} done.")
    return 0
