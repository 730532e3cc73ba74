"""Plain text as HTML: the letters and signs that its formulas spell out."""

import re
from collections.abc import Callable
from html import escape

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "phi": "φ", "psi": "ψ", "omega": "ω",
}  # fmt: skip
SIGNS = {
    "&lt;=&gt;": "⇔", "&gt;=": "≥", "&lt;=": "≤", "!=": "≠", " -&gt; ": " → ", "+-": "±",
    "sqrt ": "√", "sqrt(": "√(", " (x) ": " ⊗ ", "h~": "h̃", "Zbar": "Z̄",
}  # fmt: skip


def prose(text: str) -> str:
    """Return plain text as HTML, with the letters and signs that formulas in it spell out: lambda2 >= 0 as λ₂ ≥ 0."""
    shown = escape(text)
    for spelt, sign in SIGNS.items():
        shown = shown.replace(spelt, sign)
    names = "|".join(GREEK)
    shown = re.sub(rf"(?<![A-Za-z.])({names})(\d|\*)?(?![A-Za-z])", _greek, shown)
    shown = re.sub(r"(?<=[A-Za-z0-9)\u0370-\u03ff])_(\{[^{}]*\}|[A-Za-z0-9\u0370-\u03ff]+)", _script("sub"), shown)
    return re.sub(
        r"(?<=[A-Za-z0-9)|>\u0370-\u03ff])\^(\([^()]*\)|\{[^{}]*\}|-?[A-Za-z0-9.]+|[+-])", _script("sup"), shown
    )


def _greek(found: re.Match[str]) -> str:
    letter, mark = GREEK[found[1]], found[2] or ""
    return letter + (f"<sub>{mark}</sub>" if mark.isdigit() else mark)


def _script(tag: str) -> Callable[[re.Match[str]], str]:
    return lambda found: f"<{tag}>{found[1].strip('{}')}</{tag}>"
