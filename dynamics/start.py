"""Where a trajectory starts: Gaussian, simplex ETF, bundled images, or a file; and the kernel's factor."""

import os
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynamics.errors import InputError, must, nearest

KERNEL_ARRAYS = ("K", "K_factor")
LARGEST_KERNEL = 5000  # p n of a kernel given as a full matrix: its eigendecomposition costs the cube
PSD_TOLERANCE = 1e-10  # a negative eigenvalue below this share of the largest is rounding


class Start(NamedTuple):
    """Features H (p, n), prototypes W (p, C), biases b (C,), labels (n,), kernel factor (p n, r) or None.

    In the layout of the paper and of the files; columns in the order of the input.
    """

    features: np.ndarray
    prototypes: np.ndarray
    biases: np.ndarray
    labels: np.ndarray
    factor: np.ndarray | None = None


def simplex_etf(rng: np.random.Generator, p: int, classes: int, scale: float = 1.0) -> np.ndarray:
    r"""Return $W = \text{scale}\sqrt{C/(C-1)}\,Q(I - 11'/C)$, shape (p, C), unit columns times scale.

    Q is the orthonormal factor of the next Gaussian p x C matrix; at p = C - 1, of the next Gaussian p x p matrix times
    Helmert's basis of the centred vectors: one that an eigensolver found would differ from machine to machine.

    Raises:
        InputError: p < C - 1, where no simplex ETF exists.
    """
    if p < classes - 1:
        raise must("problem.features", f"be >= {classes - 1} (classes - 1) for a simplex ETF", p)
    centring = np.eye(classes) - 1 / classes
    if p >= classes:
        frame = np.linalg.qr(rng.standard_normal((p, classes)))[0] @ centring
    else:
        from scipy.linalg import helmert

        frame = np.linalg.qr(rng.standard_normal((p, p)))[0] @ helmert(classes)
    return scale * np.sqrt(classes / (classes - 1)) * frame


def digits(long_tailed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's bundled images as (H (64, n), labels (n,)), pixels standardised, 0 where constant.

    Long-tailed: of these, the first round(170 * 10^(-c/9)) images of class c, in their order.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    spread = pixels.std(axis=0)
    standard = np.where(spread > 0, (pixels - pixels.mean(axis=0)) / np.where(spread > 0, spread, 1), 0.0)
    if long_tailed:
        keep = [np.flatnonzero(labels == c)[: round(170 * 10 ** (-c / 9))] for c in range(10)]
        chosen = np.sort(np.concatenate(keep))
        standard, labels = standard[chosen], labels[chosen]
    return standard.T, labels.astype(np.int64)


def stored_bytes(path: Path) -> int:
    """Return how many bytes the arrays of an .npz file are, unpacked; 0 for a file that is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except Exception:  # whatever it is, `read_arrays` says it
        return 0


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file without executing anything in it.

    Raises:
        InputError: missing, truncated, not an .npz file, or holding pickled objects.
    """
    cure = "Write it with numpy.savez(path, H=..., W=...)."
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises on a name that is too long)
        raise must("start.file", "be a file that exists", str(path), "A relative path counts from the TOML's folder.")
    if not zipfile.is_zipfile(path):
        kinds = "It is cut short, or of another format, such as a pickle, which is never executed."
        raise must("start.file", "be a whole .npz file of named arrays", str(path), f"{kinds} {cure}")
    try:
        with warnings.catch_warnings(action="ignore"), np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # NumPy, zipfile, zlib and ast all have their own for a file that is broken
        pickled = "pickle" in str(error).lower() or "Object arrays" in str(error)
        said = (str(error).splitlines() or [type(error).__name__])[0]
        reason = "it holds pickled objects, which are never executed" if pickled else said
        raise InputError(
            f"start.file must be a whole .npz file of plain arrays, but {path}: {reason}. {cure}"
        ) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise must(f"every entry of {path.name}", "be an array", name, cure)
    return arrays


def from_file(path: Path, kernel: bool) -> tuple[Start, bool]:
    """Return the start in a file and whether the file gave labels; without, they are left empty.

    The file holds H (p, n), W (p, C), optionally b (C,) and labels (n,), and for the kernel scenario K (pn, pn) or
    K_factor (pn, r).

    Raises:
        InputError: arrays that are missing, unknown, not finite, or of shapes that do not fit.
    """
    arrays = read_arrays(path)
    known = {"H", "W", "b", "labels"} | (set(KERNEL_ARRAYS) if kernel else set())
    for name in sorted(set(arrays) - known):
        cure = "It belongs to scenario.kind = 'kernel'." if name in KERNEL_ARRAYS else nearest(name, known).strip()
        raise must(f"every array of {path.name}", "be one of " + ", ".join(sorted(known)), name, cure)
    features, prototypes = (_numbers(path, arrays, name, 2) for name in ("H", "W"))
    if features.shape[0] != prototypes.shape[0]:
        raise must(
            f"W of {path.name}",
            f"have as many rows as H ({features.shape[0]})",
            prototypes.shape[0],
            "Rows are features.",
        )
    classes, samples = prototypes.shape[1], features.shape[1]
    if classes < 2:
        raise must(f"W of {path.name}", "have at least 2 columns, one per class", classes)
    biases = _numbers(path, arrays, "b", 1) if "b" in arrays else np.zeros(classes)
    if biases.shape != (classes,):
        raise must(f"b of {path.name}", f"have shape ({classes},)", biases.shape)
    labels = _labels(path, arrays["labels"], samples, classes) if "labels" in arrays else np.zeros(0, dtype=np.int64)
    factor = _factor(path, arrays, features.size) if kernel else None
    return Start(features, prototypes, biases, labels, factor), "labels" in arrays


def _numbers(path: Path, arrays: dict[str, np.ndarray], name: str, dimensions: int) -> np.ndarray:
    if name not in arrays:
        raise must(f"{path.name}", f"hold an array {name}", "without it: " + (", ".join(sorted(arrays)) or "no arrays"))
    array = arrays[name]
    if array.dtype.kind not in "iuf":
        raise must(f"{name} of {path.name}", "hold real numbers", str(array.dtype))
    if array.ndim != dimensions or 0 in array.shape:
        raise must(f"{name} of {path.name}", f"be a nonempty array of {dimensions} dimensions", array.shape)
    array = array.astype(np.float64)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise must(f"{name} of {path.name}", "be finite everywhere", float(array[where]), f"First at index {where}.")
    return array


def _labels(path: Path, labels: np.ndarray, samples: int, classes: int) -> np.ndarray:
    subject = f"labels of {path.name}"
    if labels.dtype.kind not in "iu":
        raise must(subject, "be whole numbers", str(labels.dtype))
    if labels.shape != (samples,):
        raise must(subject, f"have shape ({samples},), one per column of H", labels.shape)
    if labels.min() < 0 or labels.max() >= classes:
        raise must(subject, f"lie in 0 .. {classes - 1}, one per column of W", f"{labels.min()} .. {labels.max()}")
    missing = np.setdiff1d(np.arange(classes), labels)
    if missing.size:
        raise must(
            subject, "contain every class", f"without class {missing[0]}", "Drop the column of W, or add samples."
        )
    return labels.astype(np.int64)


def _factor(path: Path, arrays: dict[str, np.ndarray], size: int) -> np.ndarray:
    given = [name for name in KERNEL_ARRAYS if name in arrays]
    if len(given) != 1:
        raise must(
            f"{path.name}", "hold exactly one of K and K_factor for the kernel scenario", ", ".join(given) or "none"
        )
    array = _numbers(path, arrays, given[0], 2)
    if given == ["K_factor"]:
        if array.shape[0] != size:
            raise must(f"K_factor of {path.name}", f"have p n = {size} rows", array.shape[0])
        return array
    if array.shape != (size, size):
        raise must(f"K of {path.name}", f"have shape ({size}, {size}), p n squared", array.shape)
    if size > LARGEST_KERNEL:
        raise must(f"K of {path.name}", f"have at most {LARGEST_KERNEL} rows", size, "Give K_factor (pn, r) instead.")
    if np.max(np.abs(array - array.T)) > PSD_TOLERANCE * max(np.max(np.abs(array)), 1e-300):
        raise must(f"K of {path.name}", "be symmetric", f"off by {np.max(np.abs(array - array.T)):.3g}")
    values, vectors = np.linalg.eigh((array + array.T) / 2)
    if values[0] < -PSD_TOLERANCE * max(abs(values[-1]), abs(values[0])):
        raise must(f"K of {path.name}", "be positive semi-definite", f"with eigenvalue {values[0]:.3g}")
    kept = values > np.finfo(float).eps * size * max(values[-1], 0.0)
    if not kept.any():
        return np.zeros((size, 1))
    # K = A A'/r, with A as wide as the rank.
    return vectors[:, kept] * np.sqrt(values[kept] * kept.sum())
