"""From an experiment to its problem and start: the single place where both halves begin."""

import numpy as np

from dynamics.capacity import refuse_bytes, refuse_too_large
from dynamics.errors import must
from dynamics.experiment import Experiment, ProblemTable
from dynamics.loss import loss_kinds
from dynamics.problem import Problem, make_problem
from dynamics.start import Start, digits, from_file, simplex_etf, stored_bytes
from dynamics.state import State

COPIES = {"descent": 12, "flow": 60}  # states alive at once, measured: the stages of Dopri8 dominate a flow
READ_COPIES = 2  # of a start file in memory: as stored, and as float64


def prepare(experiment: Experiment) -> tuple[Problem, State]:
    """Return the problem and the start of an experiment, columns sorted by class, as NumPy float64 arrays.

    Raises:
        InputError: a start that does not fit the problem or the scenario, or does not fit into memory.
    """
    _, problem, state = _prepare(experiment)
    return problem, state


def resolve(experiment: Experiment) -> Experiment:
    """Return the experiment with the sizes that its data or start file dictate: what `run.toml` records.

    It is prepared on the way, so that whatever cannot be is refused here, before anything is written.

    Raises:
        InputError: see `prepare`.
    """
    start, _, _ = _prepare(experiment)
    if not (experiment.start.file or experiment.start.data):
        return experiment
    sizes = [int(size) for size in np.bincount(start.labels)]
    values = experiment.to_dict()
    values["problem"] |= {"classes": len(sizes), "per_class": sizes, "features": start.features.shape[0]}
    if experiment.start.file:
        values["start"]["file"] = str((experiment.folder / experiment.start.file).resolve())
    return Experiment(name=experiment.name, folder=experiment.folder, **values)


def _prepare(experiment: Experiment) -> tuple[Start, Problem, State]:
    table, scenario = experiment.problem, experiment.scenario
    if not (experiment.start.file or experiment.start.data):
        rank = getattr(scenario, "kernel_rank", 0)
        _refuse_too_large(experiment, table.features, table.samples(), table.classes, rank)
    start = _start(experiment)
    classes = start.prototypes.shape[1]
    rank = 0 if start.factor is None else start.factor.shape[1]
    _refuse_too_large(experiment, *start.features.shape, classes, rank)
    problem = make_problem(
        start.labels,
        classes,
        table.gamma_value(classes),
        label_smoothing=table.label_smoothing,
        sample_weights=table.sample_weights,
        kernel_factor=_by_sample(start),
        loss=None if table.linear else loss_kinds()[table.loss],
    )
    state = State(start.features.T[problem.order], np.ascontiguousarray(start.prototypes.T), start.biases)
    scenario.check(problem, state)
    experiment.method.check_samples(problem.samples)
    return start, problem, state


def _refuse_too_large(experiment: Experiment, features: int, samples: int, classes: int, rank: int) -> None:
    copies = COPIES.get(experiment.method.kind, max(COPIES.values()))
    modes = 2 * classes if experiment.scenario.moves_prototypes else 0
    steps = getattr(experiment.method, "steps", 0)
    points = min(experiment.output.points, steps + 1) if steps else experiment.output.points
    refuse_too_large(features, samples, classes, copies=copies, rank=rank, modes=modes, steps=steps, points=points)


def _start(experiment: Experiment) -> Start:
    """Draw or read the start. The random numbers come in a fixed order: H, then W (Gaussian or ETF)."""
    table, wanted = experiment.problem, experiment.start
    kernel = experiment.scenario.uses_kernel
    rng = np.random.default_rng(wanted.seed)
    etf = "etf" in (wanted.w, getattr(experiment.scenario, "prototypes", "start"))
    if wanted.file:
        path = experiment.folder / wanted.file
        refuse_bytes(READ_COPIES * stored_bytes(path), f"start.file {path.name}", "Store fewer samples or features.")
        start, labelled = from_file(path, kernel)
        labels = start.labels if labelled else _class_major(table, *_shape(start))
        _agree(table, start.features.shape[0], np.bincount(labels, minlength=start.prototypes.shape[1]))
        prototypes = simplex_etf(rng, *start.prototypes.shape, wanted.scale_w) if etf else start.prototypes
        return start._replace(labels=labels, prototypes=prototypes)
    if wanted.data:
        images, labels = digits(wanted.data == "digits-long-tailed")
        features, classes = wanted.scale_h * images, int(labels.max()) + 1
        _agree(table, features.shape[0], np.bincount(labels))
    else:
        labels, classes = np.repeat(np.arange(table.classes), table.sizes()), table.classes
        features = wanted.scale_h * rng.standard_normal((table.features, len(labels)))
    p = features.shape[0]
    if etf:
        prototypes = simplex_etf(rng, p, classes, wanted.scale_w)
    else:
        prototypes = wanted.scale_w * rng.standard_normal((p, classes))
    return Start(features, prototypes, np.zeros(classes), labels, experiment.scenario.draw_factor(features.size))


def _by_sample(start: Start) -> np.ndarray | None:
    """Return the kernel's factor as (n, p, r): vec stacks the columns of H."""
    if start.factor is None:
        return None
    p, n = start.features.shape
    return start.factor.reshape(n, p, -1)


def _shape(start: Start) -> tuple[int, int]:
    return start.prototypes.shape[1], start.features.shape[1]


def _class_major(table: ProblemTable, classes: int, samples: int) -> np.ndarray:
    """Return the labels of a file without any: class-major, sizes from the TOML or equal."""
    if isinstance(table.per_class, list):
        sizes = np.array(table.per_class)
        if len(sizes) != classes or sizes.sum() != samples:
            raise must(
                "problem.per_class", f"list {classes} sizes that add up to the {samples} columns of H", list(sizes),
                "Or put labels into the start file.",
            )  # fmt: skip
        return np.repeat(np.arange(classes), sizes)
    if samples % classes:
        raise must(
            "the number of columns of H", f"be a multiple of the {classes} columns of W without labels", samples,
            "Add labels to the start file, or list problem.per_class.",
        )  # fmt: skip
    return np.repeat(np.arange(classes), samples // classes)


def _agree(table: ProblemTable, p: int, sizes: np.ndarray) -> None:
    """Refuse sizes that the TOML states and the data contradict; defaults that were not stated do not count."""
    stated = table.model_fields_set
    if "classes" in stated and table.classes != len(sizes):
        raise must("problem.classes", f"be {len(sizes)}, as in the start", table.classes, "Correct or remove it.")
    if "features" in stated and table.features != p:
        raise must("problem.features", f"be {p}, as in the start", table.features, "Correct or remove it.")
    given = [table.per_class] * len(sizes) if isinstance(table.per_class, int) else table.per_class
    if "per_class" in stated and list(given) != [int(size) for size in sizes]:
        raise must(
            "problem.per_class", f"be {[int(size) for size in sizes]}, as in the start", table.per_class,
            "Correct or remove it.",
        )  # fmt: skip
