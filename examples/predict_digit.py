# %% [markdown]
# # Your own digit
#
# Draw a digit, on paper or on a screen, and see what the larger convolutional network makes of it:
#
#     python examples/predict_digit.py drawing.png
#
# A network knows only what it was shown. MNIST's digits are light on dark, of one size, and in the middle; yours is
# first brought to the same (`tinynet.digits` has the steps). Try `--no-normalise` to see what happens otherwise.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np
from _any_model import as_input, probabilities_of
from _common import options, read, save
from _digits import normalise, plot_digit, read_drawing, resize
from _larger import add_model_option, trained

from tinynet import study

parser = options("Say which digit a drawing shows: one digit on plain paper, however large.", epochs=10)
parser.add_argument("drawing", metavar="DRAWING", help="a picture of one digit: PNG, JPEG, ...")
parser.add_argument("--no-normalise", action="store_true", help="only shrink the drawing to 28 x 28, as it is")
add_model_option(parser)
args = read(parser, in_notebook=["drawing.png"])       # the name of your file

# %% [markdown]
# ## The drawing
# Ink is what paper encloses and is darker, or lighter, than all of it; so a shadow is paper, and so is the table that a
# sheet lies on. Lines of the paper and frames are left out. The box around the ink is scaled to 20 x 20, with its
# proportions kept, and moved until the centre of its mass lies at the middle of 28 x 28.

# %%
try:
    drawing = read_drawing(args.drawing)
    digit = normalise(drawing)
except (OSError, ValueError) as error:
    sys.exit(f"{error}")
save(plot_digit(digit), args.figures, "predict_digit_normalised.png")
image = resize(drawing, 28, 28) if args.no_normalise else digit.image

# %% [markdown]
# ## What the model says
# The probabilities sum to 1 whatever is drawn: a model of ten digits cannot say "this is none of them". Draw an A, and
# it may be a 4, with 99.98 %: that is how the A differs from the other nine digits, and no proof that it is a 4.

# %%
model = trained(args).model
try:
    x = as_input(image, model)
    probabilities = probabilities_of(model, x)
except ValueError as error:
    sys.exit(f"{error}")
for label, probability in enumerate(probabilities):
    print(f"{label}  {100 * probability:6.2f} %  {'#' * round(40 * probability)}")
print(f"It is a {probabilities.argmax()}.")
print("That holds if it is a digit: the model knows nothing else, and would find one in a letter, too.")

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", width_ratios=[1, 1.6])
left.imshow(image, cmap="gray", vmin=0, vmax=1)
left.set_title("what the model is given", fontsize=10)
bars = right.barh(np.arange(10), 100 * probabilities, color="0.4")
right.bar_label(bars, [f"{100 * probability:.2f} %" for probability in probabilities], padding=3, fontsize=8)
right.set(yticks=np.arange(10), ylabel="digit", xlabel="probability (%)", xlim=(0, 118), xticks=range(0, 101, 25))
right.invert_yaxis()
right.set_title(f"it is a {probabilities.argmax()}, if it is a digit", fontsize=10)
save(figure, args.figures, "predict_digit_probabilities.png")

# %% [markdown]
# ## What each layer saw
# The first convolution finds strokes, one kind to a map. Pooling keeps where they are strongest. The second
# convolution finds what strokes make together, and little of the drawing can be recognised in its maps: they no
# longer show the digit, they encode it.

# %%
save(study.plot_activations(model, x), args.figures, "predict_digit_layers.png")
