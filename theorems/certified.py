r"""The accuracy at every one of many times, certified over intervals of times instead of evaluated time by time.

Every logit is a sum of fixed numbers times positive functions of time, so each margin of a sample over a class is one
too. On an interval a function lies between two numbers, hence a margin in $m \pm r$. A class whose margin is positive
on all of the interval is beaten there; one negative margin makes the sample wrong there; only what stays open is asked
again, on the two halves. At a single time r is nothing but rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ROUNDING = 1e-12  # a margin below this share of the sum of its |terms| may have either sign
UNIT = 2.0**-52  # the spacing of float64 above 1
SPREAD = 0.3  # a function that varies by more, beside a largest one of 1, leaves too many margins open
ABSENT = -600.0  # ln of what counts as zero beside 1: the arithmetic of still smaller numbers is slow
FAINT = 1e-250  # more than all absent terms of a margin together
BLOCK = 2**16  # margins bounded at a time, so that they stay in the cache


class Terms(NamedTuple):
    r"""Logits as sums of fixed numbers times positive functions of time.

    The logit of class c for sample i of class y at time t is
    $\sum_k \mathrm{shared}_{kyc}\, e^{\mathrm{logs}_{kt}} + \sum_k \mathrm{own}_{kic}\, e^{\mathrm{logs}_{K+k,t}}$.

    Attributes:
        shared: (K, C, C), [term, class of the sample, class of the logit].
        own: (K2, n, C), [term, sample, class of the logit].
        logs: (K + K2, T), natural logarithms; -inf where a term is absent.
        labels: (n,) int, the classes of the samples.
    """

    shared: np.ndarray
    own: np.ndarray
    logs: np.ndarray
    labels: np.ndarray


def accuracy(terms: Terms, referee: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, int]:
    """Return the share of samples whose own logit is the largest, at every time; ties go to the lowest class.

    Logits that are the same number in every term tie at all times. Any other margin within rounding of zero is left to
    the referee, unless another class makes the sample wrong.

    Args:
        terms: the logits.
        referee: returns the accuracy at times given by their indices, by a more careful method. It is called at most
            once, with all times at which a decision rests on such a margin.

    Returns:
        The accuracy (T,), and how many margins were evaluated at a time or bounded on an interval.
    """
    margins = _margins(terms)
    functions = _functions(terms.logs, margins.scales)
    tally = Tally(*np.zeros((2, terms.logs.shape[1] + 1), dtype=np.int64))
    begin, end = _calm(functions)
    many = max(1, 4 * BLOCK // terms.own.shape[2] ** 2)
    for k in range(0, len(begin), many):
        left = _sweep(margins, functions, begin[k : k + many], end[k : k + many], tally)
        while len(left.sample):
            left = _refine(margins, functions, _halves(left), tally)
    found = (len(terms.labels) - np.cumsum(tally.wrong)[:-1]) / len(terms.labels)
    doubtful = np.flatnonzero(np.cumsum(tally.doubtful)[:-1])
    if len(doubtful):
        found[doubtful] = referee(doubtful)
    return found, tally.evaluated


class Margins(NamedTuple):
    """The own logit less each other one, the terms of one margin beside each other.

    ``shared`` (C, C, K) and ``own`` (n, C, K2) are as in `Terms`; ``scales`` (K + K2,) are the largest |number| of each
    term. ``same`` (n, C) says which margins have no term, ``lost`` (n,) which samples have such a margin over a
    lower class.
    """

    shared: np.ndarray
    own: np.ndarray
    scales: np.ndarray
    labels: np.ndarray
    same: np.ndarray
    lost: np.ndarray

    def weights(self, functions: "Functions", begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return middles and radii (I, 2, K + K2) of what the numbers are times, from begin to end (I,)."""
        bounds = np.stack(functions.bounds(begin, end)).T / np.where(self.scales > 0, self.scales, 1.0)[:, None]
        return np.ascontiguousarray(bounds.transpose(0, 2, 1))

    def numbers(self, samples: np.ndarray, rivals: np.ndarray) -> np.ndarray:
        """Return the terms of some margins (P, K + K2), given by their samples and classes (P,)."""
        classes = self.same.shape[1]
        flat = (part.reshape(np.prod(part.shape[:2]), part.shape[2]) for part in (self.shared, self.own))
        rows = self.labels[samples] * classes + rivals, samples * classes + rivals
        return np.concatenate([part.take(row, axis=0) for part, row in zip(flat, rows, strict=True)], axis=1)

    def block(self, rows: slice) -> np.ndarray:
        """Return the terms of all margins of some samples, (S C, K + K2)."""
        labels, (classes, terms) = self.labels[rows], self.shared.shape[1:]
        both = np.empty((len(labels), classes, len(self.scales)))
        both[..., :terms], both[..., terms:] = self.shared[labels], self.own[rows]
        return both.reshape(len(labels) * classes, len(self.scales))


def _margins(terms: Terms) -> Margins:
    labels = terms.labels
    shared, own = _led(terms.shared, np.arange(terms.shared.shape[2])), _led(terms.own, labels)
    same = ~(_any(shared)[labels] | _any(own))
    lost = (same & (np.arange(same.shape[1]) < labels[:, None])).any(axis=1)
    sizes = [
        max(row.max(initial=0.0), -row.min(initial=0.0)) for part in (shared, own) for row in np.moveaxis(part, 2, 0)
    ]
    return Margins(shared, own, np.array(sizes), labels, same, lost)


def _led(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the own logits of all rows, given by ``labels`` (m,), less the others, from (K, m, C) to (m, C, K)."""
    own, led = logits[:, np.arange(len(labels)), labels], np.empty((*logits.shape[1:], len(logits)))
    for k, row in enumerate(logits):
        np.subtract(own[k, :, None], row, out=led[:, :, k])
    return led


def _any(led: np.ndarray) -> np.ndarray:
    """Return which margins have a term that is not zero, (m, C)."""
    found = np.zeros(led.shape[:2], dtype=bool)
    for k in range(led.shape[2]):
        found |= led[:, :, k] != 0
    return found


class Functions(NamedTuple):
    """Positive functions of time: ``logs``, over the largest of them, and how far each has ``travelled`` by then.

    Both are (K, T). ``slack`` (K, 1) bounds the rounding of what is travelled between two times, ``rounding`` that of a
    sum of functions as a share of its |terms|.
    """

    logs: np.ndarray
    travelled: np.ndarray
    slack: np.ndarray
    rounding: float

    def bounds(self, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return middles and radii (K, I) of the functions from begin to end (I,), both included.

        On its way from a to b a logarithm cannot leave (a + b)/2 by more than half of what it travels.
        """
        middle = (self.logs[:, begin] + self.logs[:, end]) / 2
        reach = (self.travelled[:, end] - self.travelled[:, begin]) / 2 + np.where(begin < end, self.slack, 0.0)
        logs = np.stack([middle - reach, np.minimum(middle + reach, 0.0)])
        low, high = np.exp(logs, out=np.zeros_like(logs), where=logs > ABSENT)
        return (low + high) / 2, (high - low) / 2 + self.rounding * high


def _functions(logs: np.ndarray, scales: np.ndarray) -> Functions:
    """Return the functions times their scales. One after the other: each fits into the cache, all of them do not."""
    with np.errstate(divide="ignore"):
        lifts = np.log(scales)
    top = np.full(logs.shape[1], -np.inf)
    for log, lift in zip(logs, lifts, strict=True):
        np.maximum(top, log + lift, out=top)
    top[top == -np.inf] = 0.0
    found, travelled = np.empty((2, *logs.shape))
    for log, lift, row, way in zip(logs, lifts, found, travelled, strict=True):
        np.subtract(log + lift, top, out=row)
        np.maximum(row, 2 * ABSENT, out=row)
        way[0] = 0.0
        np.subtract(row[1:], row[:-1], out=way[1:])
        np.cumsum(np.abs(way, out=way), out=way)
    slack = UNIT * logs.shape[1] * travelled[:, -1:]
    return Functions(found, travelled, slack, ROUNDING + 4 * UNIT * np.abs(top).max())


def _calm(functions: Functions) -> tuple[np.ndarray, np.ndarray]:
    """Return begin and end of intervals that hold all times, on which no function varies by more than SPREAD."""
    begin, end, found = np.array([0]), np.array([functions.logs.shape[1] - 1]), []
    while len(begin):
        wild = (begin < end) & (2 * functions.bounds(begin, end)[1].max(axis=0, initial=0.0) > SPREAD)
        found.append((begin[~wild], end[~wild]))
        begin, end = _bisect(begin[wild], end[wild])
    begins, ends = zip(*found, strict=True)
    return np.concatenate(begins), np.concatenate(ends)


def _bisect(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = (begin + end) // 2
    return np.concatenate([begin, middle + 1]), np.concatenate([middle, end])


@dataclass
class Tally:
    """Wrong samples and doubtful margins, as changes of their numbers at each time (T + 1,), and margins evaluated."""

    wrong: np.ndarray
    doubtful: np.ndarray
    evaluated: int = 0


def _count(changes: np.ndarray, begin: np.ndarray, end: np.ndarray) -> None:
    """Count one more from each begin to its end, both included."""
    np.add.at(changes, begin, 1)
    np.subtract.at(changes, end + 1, 1)


class Open(NamedTuple):
    """Margins without a sign yet: interval, sample and class of each (P,), those of a sample beside each other.

    The intervals reach from ``begin`` to ``end`` (I,), both included.
    """

    begin: np.ndarray
    end: np.ndarray
    interval: np.ndarray
    sample: np.ndarray
    rival: np.ndarray


def _sweep(margins: Margins, functions: Functions, begin: np.ndarray, end: np.ndarray, tally: Tally) -> Open:
    """Bound the margins of all samples and classes on some intervals, and return those still open."""
    samples, classes = margins.same.shape
    middle, radius = margins.weights(functions, begin, end).swapaxes(0, 1)
    tally.evaluated += len(begin) * samples * (classes - 1)
    found = []
    step = max(1, BLOCK // (len(begin) * classes))
    for first in range(0, samples, step):
        rows = slice(first, first + step)
        numbers = margins.block(rows)
        m = (middle @ numbers.T).reshape(len(begin), -1, classes)
        r = (radius @ np.abs(numbers, out=numbers).T).reshape(m.shape)
        r += FAINT
        beaten = m > r
        m += r
        wrong = (m < 0).any(axis=2) | margins.lost[rows]
        where = np.flatnonzero(wrong) // wrong.shape[1]
        _count(tally.wrong, begin[where], end[where])
        still = ~(beaten | margins.same[rows] | wrong[:, :, None])
        flat = np.flatnonzero(still)
        interval, sample, rival = np.unravel_index(flat, still.shape)
        found.append((interval, sample + first, rival, r.ravel()[flat]))
    interval, sample, rival, r = (np.concatenate(x) for x in zip(*found, strict=True))
    return _doubt(Open(begin, end, interval, sample, rival), r, tally)


def _doubt(left: Open, radius: np.ndarray, tally: Tally) -> Open:
    """Give up on margins at a single time, or all of whose terms are absent, or that are NaN; return the others."""
    hopeless = (left.begin == left.end)[left.interval] | ~(radius > FAINT)
    interval = left.interval[hopeless]
    _count(tally.doubtful, left.begin[interval], left.end[interval])
    return _only(left, ~hopeless)


def _only(left: Open, kept: np.ndarray) -> Open:
    return left._replace(interval=left.interval[kept], sample=left.sample[kept], rival=left.rival[kept])


def _halves(left: Open) -> Open:
    """Return the same margins on both halves of their intervals."""
    used = np.zeros(len(left.begin), dtype=bool)
    used[left.interval] = True
    count, interval = np.sum(used), (np.cumsum(used) - 1)[left.interval]
    begin, end = _bisect(left.begin[used], left.end[used])
    interval = np.concatenate([interval, interval + count])
    return Open(begin, end, interval, np.tile(left.sample, 2), np.tile(left.rival, 2))


def _refine(margins: Margins, functions: Functions, left: Open, tally: Tally) -> Open:
    """Bound open margins one by one, and return those still open."""
    weights = margins.weights(functions, left.begin, left.end).take(left.interval, axis=0)
    numbers = margins.numbers(left.sample, left.rival)
    m = np.einsum("pk,pk->p", numbers, weights[:, 0])
    r = np.einsum("pk,pk->p", np.abs(numbers, out=numbers), weights[:, 1]) + FAINT
    tally.evaluated += len(m)
    new = np.diff(left.interval * len(margins.labels) + left.sample, prepend=-1) != 0
    first = np.flatnonzero(new)
    wrong = np.logical_or.reduceat(m < -r, first)
    where = left.interval[first[wrong]]
    _count(tally.wrong, left.begin[where], left.end[where])
    still = (m <= r) & ~wrong[np.cumsum(new) - 1]
    return _doubt(_only(left, still), r[still], tally)
