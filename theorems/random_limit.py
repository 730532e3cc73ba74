r"""The limit X of the unconstrained model from Gaussian starts: what is expected of it, and draws of it.

X is Gaussian, p x C, centred over classes (Corollary 3, 0 < gamma < 2/(C-2)). The formulas are those of the claims
random-start.accuracy and random-start.nc2, which judge them without this module; their pictures read it.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import betainc


def wrong_pairs(classes: Any, features: Any) -> Any:
    """Return the mean number of wrong pairs (y, c), those where a sample of y gets a larger logit for c, exactly."""
    argument = (classes - 2) / (2 * (classes - 1))
    return classes * (classes - 1) / 2 * betainc(features / 2, 0.5, argument)


def surely(classes: Any, features: Any) -> Any:
    """Return the lower bound on the probability that all samples are right; the probability itself for C = 3."""
    return np.maximum(1 - wrong_pairs(classes, features), 0.0)


def typical_nc2(classes: Any, features: Any) -> Any:
    """Return what NC2 of the limit tends to as C grows."""
    return np.sqrt(2 - 2 * np.sqrt(features / (features + classes)))


class Drawn(NamedTuple):
    """What limits of random starts are, one entry a start: the number of wrong ordered pairs, and NC2."""

    wrong: np.ndarray
    nc2: np.ndarray


def judged(means: np.ndarray, prototypes: np.ndarray) -> Drawn:
    """Return wrong pairs and NC2 of centred class means and prototypes, (draws, C, p) each."""
    classes = means.shape[1]
    logits = means @ np.swapaxes(prototypes, 1, 2)
    own = np.diagonal(logits, axis1=1, axis2=2)[:, :, None]
    gram = means @ np.swapaxes(means, 1, 2)
    gram /= np.linalg.norm(gram, axis=(1, 2), keepdims=True)
    simplex = (np.eye(classes) - 1 / classes) / math.sqrt(classes - 1)
    return Drawn(np.sum(logits > own, axis=(1, 2)), np.linalg.norm(gram - simplex, axis=(1, 2)))


def sampled(rng: np.random.Generator, classes: int, features: int, draws: int) -> Drawn:
    """Return random limits X."""
    x = rng.standard_normal((draws, classes, features))
    x -= x.mean(axis=1, keepdims=True)
    return judged(x, x)
