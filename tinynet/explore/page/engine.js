// What computes behind the page: one interface, as types, and `connect`, which finds the engine that stands behind it.
//
// Arrays are of one sample, without the batch axis, row-major, channels first. A *step* is a row of the model's flat
// list, as study.Trace names it; values[0] is the input, values[i + 1] what step i gives.

/** @typedef {Float32Array | Float64Array | Int32Array | Uint8Array} Numbers */
/** @typedef {{data: Numbers, shape: number[]}} Tensor */

/** @typedef {{name: string, shape: number[], size: number, state?: boolean}} Param    state: running statistics */

/**
 * @typedef {object} Step
 * @property {string} name          `conv2d_1`, `conv2d_1/relu`
 * @property {string} layer         the layer that it is a step of
 * @property {string} kind          `Conv2D`, `ReLU`, ...
 * @property {string} settings      `5x5, stride 1, valid`
 * @property {number[]} inputShape
 * @property {number[]} outputShape
 * @property {Param[]} params
 * @property {boolean} differsInTraining
 * @property {boolean} explains     whether it offers its inner arithmetic
 * @property {string | null} chapter `convolution.html`
 * @property {boolean} activation
 */

/**
 * @typedef {object} Description
 * @property {string} title
 * @property {string} dtype
 * @property {number[]} inputShape
 * @property {number} parameterCount
 * @property {number} version       grows with every change of the weights
 * @property {Step[]} steps
 * @property {number | null} logits index into values
 * @property {boolean} softmax
 * @property {{count: number, labels: Tensor | null}} samples
 * @property {boolean} digits       the input is one image of 28x28, and drawings are brought to the shape of MNIST's
 * @property {{train: string | null, accuracy: string | null, change: string | null, nextStep: string | null}} can
 *     null, or in words why not
 * @property {string[]} activations
 * @property {{name: string, learningRate: number} | null} optimizer
 * @property {Scenario[]} scenarios
 * @property {string[]} [changes]   in force, in words
 */

/** @typedef {{name: string, title: string, text: string, howToTell: string}} Scenario */
/** @typedef {{kind: "loss", label: number} | {kind: "logit", index: number}} Objective */

/**
 * @typedef {object} NormaliseStep
 * @property {string} name
 * @property {string} text
 * @property {number} width
 * @property {number} height
 * @property {Tensor} pixels
 */

/** @typedef {{image: Tensor | null, steps: NormaliseStep[], message: string | null}} Normalised */
/** @typedef {Normalised & {run: Run | null}} Drawn   null: nothing is drawn */

/**
 * @typedef {object} Run
 * @property {Tensor[]} values
 * @property {Tensor | null} probabilities
 * @property {number | null} loss
 * @property {Tensor[] | null} gradients   gradients[i] = d objective / d values[i]
 * @property {number} version
 */

/** @typedef {{where: "values" | "gradients", index: number}} InValues */
/** @typedef {{where: "parameter", step: string | number, name: string}} InParameter */

/**
 * Where the terms of a number come from: `product = left * right`, one for each of T terms.
 * @typedef {object} Terms
 * @property {Tensor} left
 * @property {Tensor | null} right
 * @property {Tensor} product
 * @property {Tensor | null} leftAt (T, k) where each stands in the array that `leftIn` names; null: in none
 * @property {Tensor | null} rightAt
 * @property {string} leftName      `x`, `dy`
 * @property {string | null} rightName
 * @property {InValues | InParameter | null} leftIn
 * @property {InValues | InParameter | null} rightIn
 * @property {Tensor | null} group
 * @property {string[] | null} groupNames
 */

/** @typedef {{name: string, value: number, formula?: string | null}} Line */

/**
 * @typedef {object} Explanation
 * @property {string} of            `conv2d_1[3, 10, 12]`
 * @property {string} how           one sentence for a person
 * @property {string} form          products, maximum, mean, softmax, elementwise, normalisation, copy, sum, unknown
 * @property {Terms | null} terms
 * @property {Line[]} lines         from the terms to the number
 * @property {number | null} total  by the terms
 * @property {number} value         the engine's own number
 */

/** @typedef {{value: Tensor, gradient: Tensor | null, penalty: number | null}} Parameter */

/**
 * @typedef {{kind: "weight", step: string, param: string, at: number[], value: number}
 *     | {kind: "filter", step: string, channel: number, on: boolean}
 *     | {kind: "activation", step: string, name: string}} Change
 */

/** @typedef {{changes: string[], version: number}} Changes */
/** @typedef {{optimizer: string, lines: Line[], before: number, after: number}} NextStep */

/**
 * @typedef {object} Progress
 * @property {boolean} running
 * @property {number} epoch
 * @property {number} step
 * @property {number | null} steps
 * @property {number} learningRate
 * @property {number} batchSize
 * @property {{step: number[], loss: number[], accuracy: number[], testAccuracy: [number, number][]}} history
 * @property {{step: string, share: number}[]} deadUnits
 * @property {{param: string, ratio: number}[]} updateRatios
 * @property {number[]} snapshots   the training steps at which one was kept
 * @property {number | null} shown
 * @property {number} version
 * @property {string | null} message
 */

/**
 * Every method takes one object and returns, in time, one object. What cannot be done is an Error with words for a
 * person.
 * @typedef {object} Engine
 * @property {(o: {}) => Promise<Description>} describe
 * @property {(o: {index: number}) => Promise<{pixels: Tensor, label: number | null}>} sample
 * @property {(o: {width: number, height: number, pixels: string, objective: Objective | null, steps: boolean})
 *     => Promise<Drawn>} draw   pixels in base64; brought to the shape of MNIST's digits, and run; with the steps, or none
 * @property {(o: {name: string, base64: string}) => Promise<Normalised>} picture
 * @property {(o: {pixels: number[], objective: Objective | null}) => Promise<Run>} run
 * @property {(o: {step: string, name: string, objective: Objective | null, pixels: number[]}) => Promise<Parameter>
 *     } parameter
 * @property {(o: {pixels: number[], step: string, at: number[], objective: Objective | null}) => Promise<Explanation>
 *     } explain
 * @property {(o: {pixels: number[], step: string, param: string | null, at: number[], objective: Objective})
 *     => Promise<Explanation>} explainGradient   of values[step][at], what the step is given, or of its parameter[at]
 * @property {(o: Change) => Promise<Changes>} change
 * @property {(o: {}) => Promise<Changes>} undo
 * @property {(o: {}) => Promise<Changes>} reset
 * @property {(o: {}) => Promise<{correct: number, count: number}>} accuracy
 * @property {(o: {pixels: number[], label: number, step: string, param: string, at: number[]}) => Promise<NextStep>
 *     } nextStep
 * @property {(o: {action: "start" | "pause" | "step" | "scenario", learningRate?: number, batchSize?: number,
 *     scenario?: string}) => Promise<Progress>} train
 * @property {(o: {since: number}) => Promise<Progress>} progress
 * @property {(o: {index: number | null}) => Promise<Progress>} snapshot
 */

/**
 * Return the engine behind the page: the arithmetic in the page itself where a model lies in it, or else the server
 * that the page came from.
 * @returns {Promise<Engine>}
 */
export async function connect() {
  const model = document.getElementById("tinynet-model");
  if (model) {
    const { LocalEngine } = await import("./local/engine.js");
    return LocalEngine.from(model);
  }
  const { RemoteEngine } = await import("./remote.js");
  return new RemoteEngine();
}
