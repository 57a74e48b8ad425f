"""What each part of the recipe of examples/mnist_record.py is worth: the lesson again, each time without one of them.

    python tests/benchmarks/ablation.py --seeds 0 1              # a table in Markdown, for docs/records.md; hours
    python tests/benchmarks/ablation.py --seeds 0 --only rate    # of the rows with this in their name

Each row is the lesson's own text with a piece of it replaced, run with --validate: on 10,000 of the training images, so
that nothing is chosen by the test images.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
CHANGES: dict[str, list[tuple[str, str]]] = {
    "the whole recipe": [],
    "no augmentation": [("*changes(),", ""), ("len(changes())", "0")],
    "no epoch of images as they are": [("train(model, x_train, targets, 1, rate=0.001, warm_up=0.01)", "")],
    "no batch normalisation, and a third of the rate": [
        ('return [*layers, BatchNormalization(), Activation("relu")]', 'return [*layers, Activation("relu")]'),
        (", use_bias=False", ""), ("rate=0.006", "rate=0.002")],
    "a constant rate of 0.001": [('OneCycle(rate, steps, warm_up, "linear")', "0.001")],
    "no label smoothing": [("label_smoothing=0.05", "label_smoothing=0.0")],
    "no mean of the weights": [("use_ema=True", "use_ema=False")],
}


def changed(text: str, changes: list[tuple[str, str]]) -> str:
    """Return the lesson's text with some pieces replaced, each of which must be there."""
    for old, new in changes:
        if old not in text:
            raise ValueError(f"examples/mnist_record.py: expected this in its text. Received none of it: {old}")
        text = text.replace(old, new)
    return text


def errors(text: str, arguments: list[str]) -> list[int]:
    """Run the lesson, and return its errors with one look at each image, and with five."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "lesson.py")
        script.write_text(f"import sys\nsys.path.insert(0, {str(EXAMPLES)!r})\n{text}")
        printed = subprocess.run([sys.executable, str(script), "--validate", *arguments], check=True,
                                 capture_output=True, text=True).stdout
    return [int(count) for count in re.findall(r"test error: .*\((\d+) of", printed)]


def main() -> None:
    """Print a row for each change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="the rows with this in their name")
    args, others = parser.parse_known_args()
    lesson = (EXAMPLES / "mnist_record.py").read_text()
    print("| recipe | errors of 10,000, by seed | with five looks |\n|---|---|---|")
    for name, changes in CHANGES.items():
        if args.only in name:
            found = [errors(changed(lesson, changes), ["--seed", str(seed), *others]) for seed in args.seeds]
            print("|", " | ".join([name, *(", ".join(map(str, each)) for each in zip(*found, strict=True))]), "|",
                  flush=True)


if __name__ == "__main__":
    main()
