# %% [markdown]
# # Looking inside
#
# Every number of a network that reads digits, forward and backward, as a web page that reads as a tour:
#
#     python examples/look_inside.py                         # the larger CNN; then open figures/look_inside/index.html
#     python examples/look_inside.py --model FILE            # a classifier of digits of your own
#
# The larger CNN is trained the first time, and used again the next. Each function below is a stop of the tour: its
# docstring says what you see and what to notice, and its code is shown beside the figure it draws. What is said of this
# model alone, `{said}`, is computed from it in _findings.py. Stops that do not fit the model's layers are left out.

# %%
from dataclasses import replace

import _findings as findings
import numpy as np
from _common import options, read
from _larger import add_model_option, images, trained
from _page import Tour

from tinynet import study
from tinynet.layers import Conv2D, Dense, Softmax
from tinynet.layers.pooling import Pooling
from tinynet.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy

parser = options("Look inside a network that reads digits: a web page of figures.", epochs=10)
add_model_option(parser)
args = read(parser)
model, before, history, health = trained(args)
_, _, x_test, y_test = images()
x_test, y_test, labels = x_test[:args.limit], y_test[:args.limit], y_test.argmax(axis=1)[:args.limit]
steps = model.steps()
pixels = np.prod(model.input_shape or ())
if pixels != 28 * 28 or model.output_shape != (10,) or not isinstance(steps[-1].layer, Softmax):
    raise SystemExit("The tour is about digits: expected a model of 28 x 28 pixels that ends in a softmax over 10 "
                     f"classes. Received: {model.input_shape} to {model.output_shape}, ending in {steps[-1].name}.")
if not isinstance(model.loss, CategoricalCrossentropy):
    model.compile(loss="categorical_crossentropy", optimizer="adam")
if isinstance(model.loss, SparseCategoricalCrossentropy):
    y_test = labels
x_test = x_test.reshape(-1, *(model.input_shape or ()))
with_images = model.input_shape == (1, 28, 28)

# %% [markdown]
# The stops go to these of the model's steps, where it has them. On the page, their names stand in the code.

# %%
names = [step.name for step in steps]


def of(kind, place):
    """Return the name of the first (0) or the last (-1) step of a kind; "" if there is none."""
    found = [step.name for step in steps if isinstance(step.layer, kind)]
    return found[place] if found else ""


def after(name):
    """Return the name of a layer's last step: of its activation, if it has one."""
    return next((later for later in names if later.startswith(f"{name}/")), name)


first_conv, last_conv, first_pool = of(Conv2D, 0), of(Conv2D, -1), of(Pooling, 0)
first_dense, last_dense = of(Dense, 0), of(Dense, -1)
first_maps, last_maps, first_units = after(first_conv), after(last_conv), after(first_dense)
before_pool = names[names.index(first_pool) - 1] if first_pool and names.index(first_pool) else ""
last_hidden = names[names.index(last_dense) - 1] if last_dense and names.index(last_dense) else ""
filters, deep_filters, filters_before = (                              # any layer, where it has no convolution
    next((step.layer for step in some.steps() if step.name == name), some.layers[0])
    for some, name in ((model, first_conv), (model, last_conv), (before, first_conv)))
two_convs = first_conv != last_conv
hidden = first_dense != last_dense

# %% [markdown]
# Two digits are looked at closely: the one whose first logit leads the second by most, and of those that the model gets
# wrong the one that it is least sure of. Gradients are shown on the second: where the model is right and sure, next to
# nothing flows back.

# %%
mistakes = study.misclassified(model, x_test, y_test)                   # the surest first
mistakes = replace(mistakes, x=mistakes.x.reshape(-1, 1, 28, 28))       # as images, whatever the model takes
logits = np.concatenate([study.Trace(model, x_test[k:k + 500]).logits for k in range(0, len(x_test), 500)])
lead = np.diff(np.sort(logits, axis=1)[:, -2:])[:, 0]
lead[mistakes.indices] *= -1
easy, hard = lead.argmax(), mistakes.indices[-1] if len(mistakes) else lead.argmin()
x, y = x_test[[easy]], y_test[[easy]]
hard_x, hard_y, hard_label = x_test[[hard]], y_test[[hard]], labels[hard]

tour = Tour({"first_conv": first_conv, "last_conv": last_conv, "first_maps": first_maps, "last_maps": last_maps,
             "first_pool": first_pool, "first_dense": first_dense, "first_units": first_units, "last_dense": last_dense,
             "last_hidden": last_hidden})


# %%
tour.chapter("Forward: how an image becomes ten probabilities", f"""From a single output to the whole way. The digit is
the one of which the model is surest, of all test images: its largest logit is {lead[easy]:.1f} above the second.""",
             *["convolution"] * bool(first_conv), *["pooling"] * bool(first_pool), "dense", "losses")


@tour.stop("One output pixel of a convolution", when=first_conv, says=findings.products)
def one_convolution():
    """Where the window lies in the image, the pixels under it, the filter's weights, and each times the other.
    Their sum and the bias are the output pixel. Below, the same pixel as `im2col` computes it: the kernel as a row,
    times the patch as a column.

    This pixel is the largest that the layer makes of the digit. {said} A convolution asks at every place how much the
    image looks like its kernel: ink under positive weights adds to the sum, ink under negative ones takes away.
    """
    maps = study.activations(model, x)[first_maps][0]
    return study.conv_step(model, first_conv, x, at=np.unravel_index(maps.argmax(), maps.shape))


@tour.stop("All maps of the first convolution", when=first_conv,
           says=lambda _: findings.silent(study.activations(model, x)[first_maps][0]))
def feature_maps():
    """The same at every place and with every filter: the maps that the first convolution makes of the digit, all on one
    scale.

    A filter answers along what it looks like: one side of the strokes, or strokes of one direction. {said}
    """
    maps = study.activations(model, x)[first_maps]
    return study.plot_feature_maps(maps[0], first_maps)


@tour.stop("One output pixel of a pooling", when=first_pool and before_pool,
           says=lambda _: findings.shifted(model, before_pool, first_pool, x))
def one_pooling():
    """A window on one map, its numbers, and their shares in the output.

    A share of 1 is a number that passes, a share of 0 one that is forgotten: in max pooling the largest passes. {said}
    """
    pooled = study.activations(model, x)[first_pool][0]
    return study.pool_step(model, first_pool, x, at=np.unravel_index(pooled.argmax(), pooled.shape))


@tour.stop("One output pixel of the last convolution", when=two_convs, says=findings.channels)
def one_deeper_convolution():
    """Patch, kernel and products for a filter of the last convolution, which looks at many maps. The three channels
    with the largest sums are drawn.

    No single map decides: the sum over all of them does. {said}
    """
    maps = study.activations(model, x)[last_maps][0]
    return study.conv_step(model, last_conv, x, at=np.unravel_index(maps.argmax(), maps.shape))


@tour.stop("One unit of a dense layer", when=first_dense, says=findings.zeros)
def one_dense_unit():
    """The largest of the products of inputs and weights that one unit of the first dense layer adds up, then the sum of
    all others, the bias, and the result before and after the activation.

    Each input has a weight of its own, wherever it lay. If it was part of an image that was flattened, its place
    (map, row, column) stands beside its number. {said}
    """
    units = study.activations(model, x)[first_units][0]
    return study.dense_step(model, first_dense, x, at=units.argmax())


@tour.stop("A digit on its way through the model")
def the_way_through():
    """All of it together: the input at the top, below it what each step makes of it, up to eight maps or all units, and
    at the end the probabilities. Each row has a scale of its own; a black dot marks what is clearly below 0.

    Steps that change no number are left out: dropout, which does nothing here, and flattening. A `relu` leaves only
    what is above 0. The further down, the less a row shows the digit: it encodes it.
    """
    return study.plot_activations(model, x)


@tour.stop("From logits to probabilities", says=findings.answer)
def softmax():
    """The ten logits, the probabilities that the softmax makes of them, the gradient with which the backward pass
    begins, and the softmax's Jacobian, for the digit that gradients are shown of. The right class is in colour.

    The gradient is `p - t`, probabilities minus targets: negative for the right class, by what its probability lacks,
    and positive for the others, by what theirs are too large. {said}
    """
    return study.softmax_step(model, hard_x, hard_y)


# %%
tour.chapter("Backward: where a gradient comes from", """A gradient is a sum of products, and each can be named. All are
those of the digit just seen; their sums are the numbers in the engine's `grads`.""", "backpropagation")


@tour.stop("The gradient of a logit")
def gradient_of_a_logit():
    """The chain rule at the softmax. Left, the derivative of the loss with respect to each probability: a row vector.
    Times the Jacobian it is the derivative with respect to each logit, right.

    All numbers on the left but one are 0, since the loss looks at the right class alone. So of the Jacobian only the
    row of that class counts, in the frame; its numbers, times the one number on the left, are `p - t`.
    """
    step = study.softmax_step(model, hard_x, hard_y)
    return step.plot_chain_rule()


@tour.stop("The same for one logit, in numbers", says=findings.share_of_terms)
def gradient_of_one_logit():
    """The gradient of the right class's logit as the engine has it: one product for each probability.

    {said} It is the number of this class in the figure before.
    """
    return study.softmax_gradient(model, hard_x, hard_y, logit=hard_label)


@tour.stop("The gradient of a number between two layers", when=last_hidden and hidden, says=findings.share_of_terms)
def gradient_of_a_unit():
    """The largest input of the last dense layer, and the contribution of each of the ten logits to its gradient:
    their gradients, times the weights between.

    Forward, the number went to all ten logits; backward, it gets ten gradients, and adds them up. That is the
    transposed matrix in `dy @ kernel.T`. {said}
    """
    units = study.activations(model, hard_x)[last_hidden][0]
    return study.dense_gradient(model, last_dense, hard_x, hard_y, unit=units.argmax())


@tour.stop("Where a pooling's gradient goes", when=first_pool)
def gradient_of_a_pooled_pixel():
    """A window of the pooling as before, and on the right the gradients of its pixels: the upstream gradient `dy` of
    the output, times each pixel's share.

    Where a share is 0 no gradient arrives, so nothing is learned from that pixel here. In max pooling all of it goes to
    the largest.
    """
    pooled = study.activations(model, hard_x)[first_pool][0]
    strongest = np.unravel_index(pooled.argmax(), pooled.shape)
    return study.pool_step(model, first_pool, hard_x, at=strongest, y=hard_y)


@tour.stop("The gradient of one weight of a convolution", when=first_conv, says=findings.share_of_terms)
def gradient_of_a_weight():
    """Left the upstream gradients `dy` of one map, in the middle the pixels that the weight multiplied, one for each
    position of the window, right their products. Below are the largest products; all together are the gradient.

    A weight is used at every position, so its gradient is a sum over all of them; those count where there is both ink
    and an upstream gradient, which is 0 behind a ReLU that is off, or where another pixel was the maximum. {said}
    """
    trace = study.Trace(model, hard_x)
    dy = trace.loss_gradients(hard_y)[trace.place(first_conv) + 1]
    strongest = np.abs(dy[0]).sum(axis=(1, 2)).argmax()
    return study.conv_gradient(model, first_conv, hard_x, hard_y, weight=(strongest, 0, 0, 0))


@tour.stop("The gradient of one pixel of the image", when=names[0] == first_conv, says=findings.share_of_terms)
def gradient_of_a_pixel():
    """One pixel, every window over it (across) and every filter (down): the upstream gradient there, times the weight
    that multiplied the pixel.

    Each window over the pixel has a weight on it, in every filter: that many products for one gradient. {said} The next
    chapters draw it for all pixels.
    """
    slopes = np.abs(study.input_gradient(model, hard_x)[0])
    steepest = np.unravel_index(slopes.argmax(), slopes.shape)
    return study.conv_gradient(model, first_conv, hard_x, hard_y, pixel=steepest)


@tour.stop("The gradient of one pixel of the image", when=not first_conv and hidden, says=findings.share_of_terms)
def gradient_of_a_dense_pixel():
    """One pixel, and the contribution of each unit of the first dense layer to its gradient: the unit's upstream
    gradient, times the weight between.

    Every unit has a weight on every pixel: that many products for one gradient. {said} The next chapters draw it for
    all pixels.
    """
    steepest = np.abs(study.input_gradient(model, hard_x)[0]).argmax()
    return study.dense_gradient(model, first_dense, hard_x, hard_y, unit=steepest)


# %%
tour.chapter("Training: how the numbers came to be what they are", "How it went, and where it ended.", "training",
             "optimizers")


@tour.stop("Loss and accuracy", when=history, says=lambda _: findings.overfitting(history))
def curves():
    """Loss and accuracy after each epoch, on the training images and on the test images.

    The training curve is a mean over the epoch, taken while the weights still change, and with dropout on if there is
    any: so it can lie on the worse side. A test loss that rises while the training loss falls is the sign of
    overfitting. {said}
    """
    return history.plot()


@tour.stop("Gradients, dead units and updates through training", when=health, says=findings.flow)
def health_through_training():
    """From the first update to the last: the norm of the gradient at each layer, the fraction of units that are 0 for
    all images, and how much an update changes the weights, relative to their norm.

    A gradient that shrinks a thousandfold from layer to layer on its way back vanishes, and one that grows so explodes.
    {said}
    """
    return health


@tour.stop("The model's health now", says=findings.dead)
def health_now():
    """Each layer's outputs, their gradients, and the gradients of its weights, as histograms; those of gradients on a
    logarithmic axis that is the same for all.

    The peak at 0 after each ReLU is what it cuts off. A unit that is 0 for every image is dead: no gradient gets
    through to it any more, so it hardly comes back. {said}
    """
    return study.health(model, x_test[:500], y_test[:500])


@tour.stop("The loss around the weights", says=findings.hollow)
def surface():
    """The loss on some test images, with the weights moved along two random directions, up to the norm of the filters
    themselves. The cross is where training arrived.

    It is one slice along two random directions, of as many as there are weights, and no more. {said}
    """
    return study.loss_surface(model, x_test[:200], y_test[:200], points=15)


@tour.stop("The filters of the first convolution, before and after", when=first_conv and history,
           says=lambda _: findings.moved(filters.params["kernel"], filters_before.params["kernel"]))
def filters_before_and_after():
    """The kernels as they were drawn at random, and as training left them. `filters` is the first convolution,
    `filters_before` the same layer before training.

    Where positive weights lie on one side and negative ones on the other, a kernel answers to edges of that direction.
    {said}
    """
    return study.plot_filters(filters, before=filters_before.params["kernel"])


@tour.stop("The filters of the last convolution", when=two_convs)
def deeper_filters():
    """The filters of `deep_filters`, the last convolution, one to a row, with a kernel for each of the maps that they
    look at.

    These can hardly be read: what they mean depends on what the maps mean. The next chapter asks them in other ways.
    """
    return study.plot_filters(deep_filters)


# %%
tour.chapter("What it looks for", """Two ways to ask: show it many images and see what it answers to, or make the image
that it answers to most.""", "looking-inside")


@tour.stop("The patches that excite each filter of the first convolution", when=first_conv,
           says=lambda found: findings.excited(found, labels))
def exciting_patches():
    """For up to twelve filters, the nine places in the test images where its output was largest, cut out by what the
    filter sees of the image. Where it sees the image itself, its kernel stands beside them.

    Compare the patches with the kernel: how much of their ink lies on positive weights? {said}
    """
    some = range(min(12, len(filters.params["kernel"])))
    return study.exciting_patches(model, first_conv, x_test[:1000], filters=some)


@tour.stop("The patches that excite each filter of the last convolution", when=two_convs,
           says=lambda found: findings.excited(found, labels))
def deeper_exciting_patches():
    """The same for the last convolution, whose filters see a larger part of the image, through all that comes before.

    What the patches of a filter have in common is what it answers to. {said}
    """
    return study.exciting_patches(model, last_conv, x_test[:1000])


@tour.stop("The images that excite each filter of the last convolution most", when=first_conv, says=lambda found:
           findings.surpassed(found, study.exciting_patches(model, last_conv, x_test[:1000], filters=found.channels)))
def maximised_filters():
    """From faint noise, each image was changed 200 times in the direction of its gradient, so that one filter's output
    in the middle of its map grew; up to fifteen filters.

    Compare them with the patches above. {said} The grey speckle is what the gradient adds where it hardly matters.
    """
    return study.maximise(model, last_conv, range(min(15, len(deep_filters.params["kernel"]))))


@tour.stop("The images that excite the ten classes most", when=with_images,
           says=lambda found: findings.convinced(model, found))
def maximised_classes():
    """An image for each of the ten logits, changed 200 times in the direction of its gradient, from faint noise.

    {said} Would they convince you? The model was asked to tell ten digits apart, never what a digit is, and nothing
    tells it to object to strokes that no digit has.
    """
    return study.maximise(model, last_dense, range(10))


def milestones():
    """Return the principal components of 400 images, at the input and after up to five layers on the way."""
    layers = [after(step.name) for step in steps if isinstance(step.layer, Conv2D | Pooling | Dense)]
    if last_dense:
        layers = [*(name for name in layers if not name.startswith(last_dense)), last_dense]
    chosen = [layers[round(k)] for k in np.linspace(0, len(layers) - 1, min(5, len(layers)))]
    return study.pca(model, x_test[:400], ["input", *chosen])


@tour.stop("The digits on their way, in two dimensions", uses=milestones,
           says=lambda _: findings.separated(milestones(), labels[:400]))
def components():
    """Some test images along the two directions in which a step's outputs differ most; the last are the logits. The
    colour and the number are the digit.

    {said}
    """
    return study.plot_pca(milestones(), labels[:400])


# %%
tour.chapter("Why this answer", """Attributions ask which pixels an answer hangs on. They do not agree, since each asks
in another way; all of them start from the logits.""", "looking-inside")


def attributions(images, target):
    """Return attributions of the first image, as many as the model allows."""
    found = {"saliency": study.saliency(model, images, target),
             "gradient x input": study.gradient_x_input(model, images, target),
             "SmoothGrad": study.smoothgrad(model, images, target),
             "integrated gradients": study.integrated_gradients(model, images, target).attributions}
    if with_images:
        found["occlusion"] = study.occlusion(model, images, target)
    if last_conv:
        found["Grad-CAM"] = study.grad_cam(model, images, last_maps, target)
    return {name: maps[0].reshape(28, 28) for name, maps in found.items()}


@tour.stop("What speaks for the right answer", uses=attributions,
           says=lambda _: findings.outlines(attributions(x, labels[easy])))
def why_right():
    """Attributions of the digit that the model is surest of, for its own class. Red speaks for it, and blue with dots
    against it; saliency only says how much.

    The plain gradient is scattered: a small change of a pixel says little of the whole. Integrated gradients sum to
    what the logit is above that of an empty image, so they can be read as parts of it. {said}
    """
    digit = labels[easy]
    return study.plot_attributions(x[0].reshape(28, 28), attributions(x, digit), f"what speaks for a {digit}")


@tour.stop("What speaks for the wrong answer", when=len(mistakes) > 0)
def why_wrong():
    """The same for the digit that the model got wrong, and for the answer that it gave.

    Look for the part that the model took for a part of another digit: it is the part in red.
    """
    answer = model.predict(hard_x)[0].argmax()
    return study.plot_attributions(hard_x[0].reshape(28, 28), attributions(hard_x, answer),
                                   f"what speaks for a {answer}")


@tour.stop("What speaks for the answer that would have been right", when=len(mistakes) > 0)
def why_not_right():
    """The same digit, and the attributions for the class that it belongs to.

    Look whether it is the same stroke that speaks for one answer and against the other.
    """
    return study.plot_attributions(hard_x[0].reshape(28, 28), attributions(hard_x, hard_label),
                                   f"what speaks for a {hard_label}")


# %%
tour.chapter("How good it is", """What is behind a single number such as the error, and what the remaining mistakes look
like.""", "training")


@tour.stop("Which digits are taken for which", says=findings.confused)
def confusion():
    """Rows are what the digits are, columns what the model took them for; colours are the mistakes' alone.

    {said}
    """
    return study.confusion(model, x_test, y_test)


@tour.stop("The mistakes of which the model is surest", when=len(mistakes) > 0)
def gallery():
    """Test images that the model gets wrong, the surest mistakes first: what it is, what the model says and how sure it
    is of it, and all ten probabilities below.

    Would you have known? Look for those that are carelessly written, and for those where there is no excuse.
    """
    return mistakes


@tour.stop("When it says 90 %, is it right nine times in ten?", says=findings.trusted)
def calibration():
    """Test images sorted by the probability of the answer given; for each bin, how often that answer was right. On the
    diagonal, the model's confidence can be taken at its word. Below is how many images each bin has.

    Where a bar ends below the diagonal, the model is surer than it should be. {said}
    """
    return study.calibration(model, x_test, y_test)


# %%
tour.chapter("What it costs", "Where the time goes.", "performance")


@tour.stop("Work and time of each layer", says=lambda found: findings.cost(model, found))
def profile():
    """How often each step multiplies and adds for one image, and how long it takes by itself for a batch of 200,
    forward and backward.

    Steps that multiply nothing, such as a ReLU, still take time: they read and write every number. {said}
    """
    return study.profile(model, batch_size=200)


@tour.stop("One layer, three times", when=names[0] == first_conv, says=findings.speed)
def kernels():
    """The first convolution on the naive loops, on `im2col`, and on the fast kernels: milliseconds, on a logarithmic
    axis.

    The loops are the definition. {said} The numbers below have the largest differences between the three: they are no
    more than the rounding of float32.
    """
    return study.compare_kernels(filters, x_test[:20], repeats=3)


# %%
print("Drawing the tour:")
layers = ", ".join(str(layer).partition(" ")[0] for layer in model.layers)
page = tour.write(
    args.figures / "look_inside", "Inside a network that reads digits",
    f"""A guided tour of a network that reads handwritten digits: {layers}; {model.count_params():,} parameters. It gets
    {len(mistakes):,} of {len(x_test):,} test images wrong, an error of {100 * len(mistakes) / len(x_test):.2f} %. Every
    figure is made by the code below it, and can be made of your own model in the same way.""",
    f"""In the code, `model` is the network, `x_test` and `y_test` are the test images and their targets, `labels` the
    digits they are. `x` is test image {easy}, of which the model is surest, and `hard_x` test image {hard}, which """ +
    ("it gets wrong and is least sure of" if len(mistakes) else "it is least sure of: it gets none wrong") +
    "; `y` and `hard_y` are their targets. Figures open in full size with a click.",
    *([] if history else ["""Nothing was kept of this model's training, so its curves, and its filters before it, are
    missing."""]))
print(f"The tour: {page}")
