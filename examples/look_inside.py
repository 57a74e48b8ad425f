# %% [markdown]
# # Looking inside
#
# Every number of the larger convolutional network, forward and backward, as a web page that reads as a tour:
#
#     python examples/look_inside.py          # then open figures/look_inside/index.html
#
# The model is trained the first time, and used again the next. Each function below is a stop of the tour: its
# docstring says what you see and what to notice, and its code is shown beside the figure it draws.

# %%
import numpy as np
from _common import options, read
from _larger import add_model_option, images, trained
from _page import Tour

from tinynet import study

parser = options("Look inside the larger convolutional network: a web page of figures.", epochs=10)
add_model_option(parser)
args = read(parser)
model, before, history, health = trained(args)
_, _, x_test, y_test = images()
x_test, y_test = x_test[:args.limit], y_test[:args.limit]
if [p.shape for p in model.params.values()] != [p.shape for p in before.params.values()]:
    raise SystemExit("The tour goes through the larger CNN, and this model has other layers.")

# %% [markdown]
# Two digits are looked at closely: the one that the model is surest of, and of those that it gets wrong the one that
# it is least sure of. Gradients are shown on the second: where the model is right and sure, next to nothing flows back.

# %%
mistakes = study.misclassified(model, x_test, y_test)                   # the surest first
confidence = model.predict(x_test).max(axis=1)
confidence[mistakes.indices] *= -1
easy, hard = confidence.argmax(), mistakes.indices[-1] if len(mistakes) else confidence.argmin()
x, y = x_test[[easy]], y_test[[easy]]
hard_x, hard_y = x_test[[hard]], y_test[[hard]]
labels = y_test.argmax(axis=1)

tour = Tour()


# %%
tour.chapter("Forward: how an image becomes ten probabilities", """From a single output pixel to the whole way. The
digit is the one of which the model is surest, of all test images.""")


@tour.stop("One output pixel of a convolution")
def one_convolution():
    """Where the window lies in the image, the pixels under it, the filter's 25 weights, and each times the other.
    Their sum and the bias are the output pixel. Below, the same pixel as a row times a column of `im2col`'s matrices.

    This pixel is the largest that the layer makes of the digit: ink lies where the weights are positive, and paper
    where they are negative. A convolution asks at every place how much the image looks like its kernel.
    """
    maps = study.activations(model, x)["conv2d_1/relu"][0]
    step = study.conv_step(model, "conv2d_1", x, at=np.unravel_index(maps.argmax(), maps.shape))
    print(step)
    return step.plot()


@tour.stop("All maps of the first convolution")
def feature_maps():
    """The same at every place and with every filter: the 30 maps that the first convolution and its ReLU make of the
    digit, all on one scale.

    Many maps light up along one side of the strokes, or along strokes of one direction only: edges and lines are what
    is learned first, in every network for images. Some maps hardly answer to this digit.
    """
    maps = study.activations(model, x)["conv2d_1/relu"]
    return study.plot_feature_maps(maps[0], "conv2d_1/relu")


@tour.stop("One output pixel of a pooling")
def one_pooling():
    """A window of 2 x 2 on one map, its four numbers, and their shares in the output.

    The largest number passes, the others are forgotten. So a stroke may shift by a pixel and the output stays nearly
    the same. Going back, the whole gradient goes to the winner.
    """
    pooled = study.activations(model, x)["max_pool2d_1"][0]
    step = study.pool_step(model, "max_pool2d_1", x, at=np.unravel_index(pooled.argmax(), pooled.shape))
    print(step)
    return step.plot()


@tour.stop("One output pixel of the second convolution")
def one_deeper_convolution():
    """Patch, kernel and products for a filter of the second convolution, which looks at 30 maps. The three that add
    most to the sum are drawn.

    No single map decides: the sum does. This is how strokes become corners, loops and crossings.
    """
    maps = study.activations(model, x)["conv2d_2/relu"][0]
    step = study.conv_step(model, "conv2d_2", x, at=np.unravel_index(maps.argmax(), maps.shape))
    print(step)
    return step.plot()


@tour.stop("One unit of a dense layer")
def one_dense_unit():
    """The largest of the products of inputs and weights that one unit of the first dense layer adds up, then the sum of
    all others, the bias, and the result before and after the ReLU.

    There is no longer a place here: each input is a number of one of the last maps, with a weight of its own. Many
    inputs are exactly 0, the ReLU's doing, and add nothing.
    """
    units = study.activations(model, x)["dense_1/relu"][0]
    step = study.dense_step(model, "dense_1", x, at=units.argmax())
    print(step)
    return step.plot()


@tour.stop("A digit on its way through the model")
def the_way_through():
    """All of it together: the input at the top, and below it what each step makes of it, up to eight maps of each, and
    at the end the probabilities. Each row has a scale of its own.

    The maps of the first convolution still look like the digit, with one kind of stroke stressed in each. After
    `relu` only what was found is left. Every pooling halves the maps; the last ones no longer look like anything: they
    no longer show the digit, they encode it.
    """
    return study.plot_activations(model, x)


@tour.stop("From logits to probabilities")
def softmax():
    """The ten logits, the probabilities that the softmax makes of them, the gradient with which the backward pass
    begins, and the softmax's Jacobian; of a digit that the model gets wrong, undecided between several.

    The gradient is `p - t`, probabilities minus targets: negative for the right class, by what its probability lacks,
    and positive for the others, by what theirs are too large. If the answer were right and certain, all would be 0.
    """
    step = study.softmax_step(model, hard_x, hard_y)
    print(step)
    return step.plot()


# %%
tour.chapter("Backward: where a gradient comes from", """A gradient is a sum of products, and each can be named. All are
those of the undecided digit just seen; their sums are the numbers in the engine's `grads`.""")


@tour.stop("The gradient of a logit")
def gradient_of_a_logit():
    """The chain rule at the softmax: the derivative of the loss with respect to each probability, times that of the
    probability with respect to the logit of the right class.

    All terms but one are 0, since the loss looks at the right class alone. What remains is `p - t`, the number for this
    class in the figure before.
    """
    terms = study.softmax_gradient(model, hard_x, hard_y, logit=hard_y[0].argmax())
    print(terms)
    return terms.plot()


@tour.stop("The gradient of a number between two layers")
def gradient_of_a_unit():
    """The largest output of the last hidden layer, and the contribution of each of the ten logits to its gradient:
    their gradients, times the weights between.

    Forward, a unit's output went to all ten logits; backward, it gets ten gradients, and adds them up. That is the
    transposed matrix in `dy @ kernel.T`.
    """
    units = study.activations(model, hard_x)["dense_2/relu"][0]
    terms = study.dense_gradient(model, "dense_3", hard_x, hard_y, unit=units.argmax())
    print(terms)
    return terms.plot()


@tour.stop("The gradient of a pooled pixel")
def gradient_of_a_pooled_pixel():
    """A pixel before the pooling, and the one window over it: its upstream gradient, times the pixel's share.

    The share is 1 for the maximum of its window, and 0 for the other pixels: they get no gradient, so nothing is
    learned from them.
    """
    maps = study.activations(model, hard_x)["conv2d_1/relu"][0]
    brightest = np.unravel_index(maps.argmax(), maps.shape)
    terms = study.pool_gradient(model, "max_pool2d_1", hard_x, hard_y, pixel=brightest)
    print(terms)
    return terms.plot()


@tour.stop("The gradient of one weight of a convolution")
def gradient_of_a_weight():
    """Left the upstream gradients `dy` of one map, in the middle the pixels that the weight multiplied, one for each
    position of the window, right their products. Below are the largest products; all together are the gradient.

    A weight is used at every position, so its gradient is a sum over all of them; those count where there is both ink
    and an upstream gradient. Most upstream gradients are 0: behind a ReLU that is off, or not the maximum in pooling.
    """
    dy = study.Trace(model, hard_x).loss_gradients(hard_y)[1]
    strongest = np.abs(dy[0]).sum(axis=(1, 2)).argmax()
    terms = study.conv_gradient(model, "conv2d_1", hard_x, hard_y, weight=(strongest, 0, 2, 2))
    print(terms)
    return terms.plot()


@tour.stop("The gradient of one pixel of the image")
def gradient_of_a_pixel():
    """One pixel, every window over it (across) and every filter (down): the upstream gradient there, times the weight
    that multiplied the pixel.

    25 windows cover the pixel, and each of 30 filters has a weight on it in each: 750 products for one gradient.
    The next chapters draw it for all pixels.
    """
    slopes = np.abs(study.input_gradient(model, hard_x)[0])
    steepest = np.unravel_index(slopes.argmax(), slopes.shape)
    terms = study.conv_gradient(model, "conv2d_1", hard_x, hard_y, pixel=steepest)
    print(terms)
    return terms.plot()


# %%
tour.chapter("Training: how the numbers came to be what they are", """The curves, what is behind them, and what became
of the filters.""")


@tour.stop("Loss and accuracy", when=history is not None)
def curves():
    """Loss and accuracy after each epoch, on the training images and on the test images.

    The training curve is a mean over the epoch, taken with dropout on: that is why it can lie on the worse side. As
    long as the test loss falls there is no harm in going on; once it rises while the training loss falls, the model
    begins to overfit.
    """
    return history.plot()


@tour.stop("Gradients, dead units and updates through training", when=health is not None)
def health_through_training():
    """From the first update to the last: the norm of the gradient at each layer, the fraction of units that are 0 for
    all images, and how much an update changes the weights, relative to their norm.

    Gradients that shrink from layer to layer on the way back would vanish, and growing ones explode; here they keep
    together. Updates of about a thousandth of the weights are a good sign.
    """
    return health.plot()


@tour.stop("The model's health now")
def health_now():
    """Each layer's outputs, their gradients, and the gradients of its weights, as histograms; those of gradients on a
    logarithmic axis that is the same for all.

    The peak at 0 after each ReLU is what it cuts off. A unit that is 0 for every image is dead: no gradient gets
    through to it any more, so it hardly comes back. Where a layer has several, they are named above the figure.
    """
    found = study.health(model, x_test[:500], y_test[:500])
    print(found)
    return found.plot()


@tour.stop("The loss around the weights")
def surface():
    """The loss on some hundred images, with the weights moved along two random directions, up to the norm of the
    filters themselves. The cross is where training arrived.

    Training ended in a hollow that is wide at this scale: the weights can be changed by a fair part before the loss
    grows much. It is a slice through 59,933 dimensions along two of them, and no more.
    """
    return study.loss_surface(model, x_test[:200], y_test[:200], points=15).plot()


@tour.stop("The filters of the first convolution, before and after")
def filters_before_and_after():
    """The 30 kernels of 5 x 5 weights as they were drawn at random, and as training left them.

    Noise became edges and lines, in all directions: positive weights on one side, negative on the other. Some
    filters hardly changed: they were of no use, or there was enough without them.
    """
    return study.plot_filters(model.layers[0], before=before.layers[0].params["kernel"])


@tour.stop("The filters of the second convolution")
def deeper_filters():
    """The 15 filters, one to a row, with a kernel of 3 x 3 for each of the 30 maps they look at.

    These can hardly be read: what they mean depends on what the maps mean. The next chapter asks them in other ways.
    """
    return study.plot_filters(model.layers[2])


# %%
tour.chapter("What the filters look for", """Two ways to ask: show the filter many images and see what it answers to, or
make the image that it answers to most.""")


@tour.stop("The patches that excite each filter of the first convolution")
def exciting_patches():
    """For each of twelve filters, the nine places in the test images where its output was largest, cut out by what the
    filter sees of the image: 5 x 5 pixels.

    All nine patches of a filter are much alike: a stroke of one direction, with paper on one side of it.
    """
    return study.exciting_patches(model, "conv2d_1", x_test[:1000], filters=range(12)).plot()


@tour.stop("The patches that excite each filter of the second convolution")
def deeper_exciting_patches():
    """The same for the second convolution, whose filters see 10 x 10 pixels through the first kernels and the pooling.

    They answer to parts of digits: ends, bends, crossings. A filter whose largest output is below 0 is dead: whatever
    digit it is shown, nothing gets through its ReLU.
    """
    return study.exciting_patches(model, "conv2d_2", x_test[:1000]).plot()


@tour.stop("The images that excite the filters of the second convolution most")
def maximised_filters():
    """From faint noise, each image was changed 200 times in the direction of its gradient, so that one filter's output
    in the middle of its map grew.

    Compare them with the patches above: the strokes are there, cleaner and stronger than in any digit.
    """
    return study.maximise(model, "conv2d_2", range(15)).plot()


@tour.stop("The images that excite the ten classes most")
def maximised_classes():
    """The same for the ten logits: the most convincing image of each digit, to this model.

    Hardly any would convince you. The model was asked to tell ten digits apart, never what a digit is, and nothing
    tells it to object to strokes that no digit has.
    """
    return study.maximise(model, "dense_3", range(10)).plot()


@tour.stop("The digits drift apart, layer by layer")
def components():
    """Some hundred test images along the two directions in which each step's outputs differ most. The colour and the
    number are the digit.

    At the input the classes lie on top of each other. Layer by layer they draw together, and apart from the others.
    """
    steps = ["input", "max_pool2d_1", "max_pool2d_2", "dense_1/relu", "dense_2/relu", "dense_3"]
    return study.plot_pca(study.pca(model, x_test[:400], steps), labels[:400])


# %%
tour.chapter("Why this answer", """Attributions ask which pixels an answer hangs on. They do not agree, since each asks
in another way; all of them start from the logits.""")


def attributions(images, target):
    """Return six attributions of the first image."""
    return {"saliency": study.saliency(model, images, target)[0],
            "gradient x input": study.gradient_x_input(model, images, target)[0],
            "SmoothGrad": study.smoothgrad(model, images, target)[0],
            "integrated gradients": study.integrated_gradients(model, images, target).attributions[0],
            "occlusion": study.occlusion(model, images, target)[0],
            "Grad-CAM": study.grad_cam(model, images, "conv2d_2/relu", target)[0]}


@tour.stop("What speaks for the right answer", uses=attributions)
def why_right():
    """Six attributions of the digit that the model is surest of, for its own class. Red speaks for it, and blue with
    dots against it; saliency and Grad-CAM only say how much.

    The plain gradient is scattered: a small change of a pixel says little of the whole. Integrated gradients sum to
    what the logit is above that of an empty image, so they can be read as parts of it; occlusion hides pixels and asks
    again.
    """
    digit = y[0].argmax()
    return study.plot_attributions(x[0], attributions(x, digit), f"what speaks for a {digit}")


@tour.stop("What speaks for the wrong answer", when=len(mistakes) > 0)
def why_wrong():
    """The same for the undecided digit, and for the wrong answer that the model gave.

    Look for the part that the model took for a part of another digit: it is the part in red.
    """
    answer = model.predict(hard_x)[0].argmax()
    return study.plot_attributions(hard_x[0], attributions(hard_x, answer), f"what speaks for a {answer}")


@tour.stop("What speaks for the answer that would have been right", when=len(mistakes) > 0)
def why_not_right():
    """The same digit, and the attributions for the class that it belongs to.

    Often it is the same stroke that speaks for one answer and against the other.
    """
    digit = hard_y[0].argmax()
    return study.plot_attributions(hard_x[0], attributions(hard_x, digit), f"what speaks for a {digit}")


# %%
tour.chapter("How good it is", """What is behind a single number such as the error, and what the remaining mistakes look
like.""")


@tour.stop("Which digits are taken for which")
def confusion():
    """Rows are what the digits are, columns what the model took them for; colours are the mistakes' alone.

    Mistakes are not spread evenly: they are between digits that share strokes, 4 and 9, 3 and 5, 7 and 2.
    """
    found = study.confusion(model, x_test, y_test)
    print(found)
    for true, predicted, count in found.most_confused():
        print(f"{true} taken for {predicted}: {count} times")
    return found.plot()


@tour.stop("The mistakes of which the model is surest", when=len(mistakes) > 0)
def gallery():
    """Test images that the model gets wrong, the surest mistakes first: what it is, what the model says and how sure it
    is of it, and all ten probabilities below.

    Would you have known? Some are carelessly written, a few seem wrongly labelled, and with some there is no excuse.
    """
    print(mistakes)
    return mistakes.plot()


@tour.stop("When it says 90 %, is it right nine times in ten?")
def calibration():
    """Test images sorted by the probability of the answer given; for each bin, how often that answer was right. On the
    diagonal, the model's confidence can be taken at its word. Below is how many images each bin has.

    Nearly all images are in the last bin, and the model is right about them. The others are few, so their bars say
    little each; where they lie below the diagonal, the model is surer than it should be.
    """
    found = study.calibration(model, x_test, y_test)
    print(found)
    return found.plot()


# %%
tour.chapter("What it costs", "Where the time goes, and three ways to the same numbers.")


@tour.stop("Work and time of each layer")
def profile():
    """How often each layer multiplies and adds for one image, and how long it takes for a batch of 200, forward and
    backward.

    The two convolutions have most of the work, while the dense layers have most of the parameters. Steps that multiply
    nothing, such as ReLU and pooling, still take time: they read and write every number.
    """
    found = study.profile(model, batch_size=200)
    print(found)
    return found.plot()


@tour.stop("One convolution, three times")
def kernels():
    """The first convolution on the naive loops, on `im2col`, and on the fast kernels: milliseconds, on a logarithmic
    axis.

    The loops are the definition, and thousands of times slower; two images are too few to tell the other two apart.
    The numbers below have the largest differences between the three: they are no more than the rounding of float32.
    """
    found = study.compare_kernels(model.layers[0], x_test[:2], repeats=1)
    print(found)
    return found.plot()


# %%
print("Drawing the tour:")
page = tour.write(
    args.figures / "look_inside", "Inside a convolutional network",
    f"""A guided tour of a network that reads handwritten digits: two convolutions, three dense layers,
    {model.count_params():,} parameters. It gets {len(mistakes):,} of {len(x_test):,} test images wrong, an error of
    {100 * len(mistakes) / len(x_test):.2f} %. Every figure is made by the line of code below it, and would be made of
    your own model in the same way.""",
    f"""In the code, `model` is the network, `x_test` and `y_test` are the test images and their one-hot labels. `x` is
    test image {easy}, of which the model is surest, and `hard_x` test image {hard}, which it gets wrong and is least
    sure of; `y` and `hard_y` are their labels. Figures open in full size with a click.""",
    *([] if history else ["""Nothing was kept of this model's training, so its curves are missing, and where weights
    before training are shown they are not its own, but newly drawn."""]))
print(f"The tour: {page}")
