"""The learning rate above which a falling mode no longer falls."""

from dynamics.errors import must
from dynamics.experiment import Experiment
from dynamics.precision import exact
from dynamics.preparation import prepare
from dynamics.simulation import begin
from dynamics.stepping import Stepping


def stability_limit(experiment: Experiment) -> float:
    r"""Return the constant rate $\eta$ (the prototypes') at which the most negative mode stops decaying.

    Descent: $2/|w_1|$. Heavy ball: $2(1+b)/|w_1|$. Nesterov: $(2+2b)/((1+2b)|w_1|)$, with b the momentum and $w_1$
    the lowest exponent of the linear motion, per unit of zeta. Decoupled decay: $2/|w_1|$ too, $w_1$ that of
    another motion (`Method.critical`); without other decay, $\sqrt{(2-d_H)(2-d_W)/s}/\sigma_1$. SGD: that of its
    mean. Sharp: just below it this mode decays, just above it it grows and changes its sign at every step. If all
    exponents are negative, everything decays below the limit. If none is negative, nothing can be unstable in this
    way, and the limit is infinite. The experiment's own rate and schedule do not matter, its ratio s does.

    Raises:
        InputError: an experiment that cannot be prepared, takes no steps, or is not linear (spherical, another loss).
    """
    method, kind = experiment.method, experiment.scenario.kind
    if not isinstance(method, Stepping):
        raise must("method.kind", "take steps to have a stability limit", method.kind, "A flow has none.")
    if kind == "spherical":
        raise must("scenario.kind", "move linearly to have a stability limit", kind)
    if not experiment.problem.linear:
        raise must("problem.loss", "be linear to have a stability limit", experiment.problem.loss)
    problem, start = prepare(experiment)
    with exact():
        numbers, _, _ = begin(experiment, problem, start, method.horizon * method.eta)
        spectrum = experiment.scenario.spectrum(method.critical(method.numbers(), numbers), problem)
    return method.stability_limit(float(spectrum.lowest))
