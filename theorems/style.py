"""How every picture looks."""

from typing import Any

from cycler import cycler

# Okabe and Ito's colours: distinguishable by colour-blind readers and in print.
BLUE, ORANGE, GREEN, GREY, RED, PURPLE, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#8A8A8A",
    "#D55E00",
    "#CC79A7",
    "#000000",
)
# Curves differ in dashes and markers too, for readers in greyscale.
LINES = ("-", (0, (6, 1.5)), (0, (4, 1.5, 1, 1.5)), (0, (1.5, 1)), (0, (8, 2, 2, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = "os^Dv<>"
STYLE: Any = {
    "font.size": 9,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, BLACK]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 120,
    "svg.hashsalt": "dynamics-sim",
}
