"""Draw the documentation's pictures: all, or those named on the command line."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from figures import PICTURES, all_figures, draw

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("picture", nargs="*", help="names without .png; none: all of them")
parser.add_argument("--folder", type=Path, default=PICTURES, help="where to put them")
parser.add_argument("--limit", type=int, metavar="N", help="train on the first N images only, where a model is trained")
arguments = parser.parse_args()
unknown = set(arguments.picture) - set(all_figures())
if unknown:
    parser.error(f"unknown: {', '.join(sorted(unknown))}. There are: {', '.join(all_figures())}")
for picture in arguments.picture or all_figures():
    print(draw(picture, arguments.folder, arguments.limit))
