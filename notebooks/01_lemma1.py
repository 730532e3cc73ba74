# %% [markdown]
# # Lemma 1: what minimises the loss?
#
# Give prototypes and features a budget, $\lVert w_c \rVert \le E_1$ and $\lVert h_{i,c} \rVert \le E_2$, leave the
# biases out, and ask for the smallest average unhinged loss
#
# $$L(H, W) = \frac{1}{CN} \sum_{i, c} \Big[ -w_c^\top h_{i,c} + \gamma \sum_{j \ne c} w_j^\top h_{i,c} \Big] .$$
#
# **The lemma as printed.** For $p \ge C - 1$ the only minimiser is neural collapse: every feature sits on its prototype
# and the prototypes form a simplex equiangular tight frame (ETF), with cosines $-1/(C-1)$ between any two.
#
# **What is true.** With $S = \sum_c w_c$, $a = 1 + \gamma$ and $u_c = a w_c - \gamma S$, a sample of class $c$ has the
# loss $-u_c^\top h$, and completing squares gives, for all $C$, $N$, $p$,
#
# $$L + a E_1 E_2 = \Big\langle \frac{a E_2}{2 E_1} \big(E_1^2 - \lVert w_c\rVert^2\big)
#   + \frac{a E_1}{2 E_2} \big(E_2^2 - \lVert h\rVert^2\big)
#   + \frac{E_2}{2 a E_1} \Big\lVert u_c - \frac{a E_1}{E_2} h \Big\rVert^2 \Big\rangle
#   + \gamma\, \frac{2 - \gamma (C - 2)}{2 a C} \frac{E_2}{E_1} \lVert S \rVert^2 ,$$
#
# the brackets being the mean over all samples. For $0 < \gamma < 2/(C-2)$ nothing on the right is negative. So the
# value $-(1 + \gamma) E_1 E_2$ is right, and a minimiser is *any* set of prototypes of full length **with sum zero**,
# each feature on its own. For $C \le 3$ that is the ETF. For $C \ge 4$ there is room for others. At $\gamma = 2/(C-2)$
# the last term vanishes, and above even the value is wrong.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from dynamics import Experiment, simulate
from theorems import compare, solve, verify
from theorems.style import STYLE

plt.rcParams.update(STYLE | {"figure.constrained_layout.use": True, "figure.dpi": 96})

# %% [markdown]
# ## Three arrangements of four prototypes
#
# $C = 4$, $p = 3$, $\gamma = 0.5$ (the critical value is $2/(C-2) = 1$), $E_1 = E_2 = 1$, features on their prototypes.
# The *margin* of a class is its own logit less the largest other one.

# %%
gamma, classes = 0.5, 4
arrangements = {
    "simplex ETF": np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / np.sqrt(3),
    "square": np.array([[1.0, -1, 0, 0], [0, 0, 1, -1], [0, 0, 0, 0]]),
    "two pairs": np.array([[1.0, 1, -1, -1], [0, 0, 0, 0], [0, 0, 0, 0]]),
}
others = ~np.eye(classes, dtype=bool)
lines = ["| prototypes | loss | cosines | smallest margin |", "|---|---|---|---|"]
for name, w in arrangements.items():
    logits = w.T @ w  # rows: prototypes; columns: one feature a class, on its prototype
    loss = np.mean(-np.diag(logits) + gamma * (logits.sum(axis=0) - np.diag(logits)))
    margin = np.min(np.diag(logits) - np.where(others, logits, -np.inf).max(axis=0))
    cosines = sorted({round(float(x), 3) for x in logits[others]})
    lines.append(f"| {name} | {loss:.4f} | {', '.join(f'{x:.3g}' for x in cosines)} | {margin:.4f} |")
Markdown("\n".join(lines))

# %% [markdown]
# Three minimisers with the same loss $-(1+\gamma) = -1.5$. Only the first is an ETF; the margins differ, and in the
# last, two classes share a prototype, so half of all samples cannot be told apart. **The loss does not care**: it is
# linear in the logits, and sees a margin only on average over the other classes. The picture that belongs to the claim:

# %%
(uniqueness,) = verify("lemma1.uniqueness.printed")
figure = plt.figure(figsize=(8, 3))
uniqueness.claim.picture(figure)
plt.show()

# %% [markdown]
# ## Gradient descent does not care either
#
# Anchor the prototypes at each of the three, normalise the features, and let them descend from a random start (the
# spherical scenario of Theorem 7, whose exact solution is known). The start comes from a file of plain arrays, as a
# start of your own would.

# %%
labels = np.repeat(np.arange(classes), 5)
runs = {}
with tempfile.TemporaryDirectory() as folder:
    for name, w in arrangements.items():
        h = np.random.default_rng(1).standard_normal((3, len(labels)))
        np.savez(Path(folder) / "start.npz", H=h, W=w, labels=labels)
        experiment = Experiment(
            folder=folder,
            problem=dict(classes=classes, per_class=5, features=3, gamma=gamma),
            scenario=dict(kind="spherical"),
            method=dict(steps=400, eta=1.0),
            start=dict(file="start.npz"),
            output=dict(points=81),
        )
        exact, simulated = solve(experiment), simulate(experiment)
        runs[name] = exact, simulated
        report = compare(simulated, exact)
        words = {key: f"{exact.metrics[key][-1]:.3f} {report.metrics[key].verdict}" for key in ("loss", "accuracy")}
        print(f"{name:12} loss {words['loss']}, accuracy {words['accuracy']}")

# %% [markdown]
# INCONCLUSIVE is the honest word for an accuracy where logits tie exactly: any rounding could decide either way.

# %%
figure, panels = plt.subplots(1, 3, figsize=(10, 3))
labels = {"loss": "loss", "accuracy": "accuracy", "distance": r"$|\hat H - \hat W|/\sqrt{n}$"}
for axes, (metric, label) in zip(panels, labels.items(), strict=True):
    for k, (name, (exact, simulated)) in enumerate(runs.items()):
        axes.plot(exact.times, exact.metrics[metric], f"C{k}", ls=("-", "--", ":")[k], label=name)
        axes.plot(simulated.times, simulated.metrics[metric], f"C{k}" + "os^"[k], ms=4, mfc="white", markevery=10)
    axes.set(xlabel="step k", ylabel=label)
panels[0].axhline(-1 - gamma, color="0.5", lw=0.8)
panels[0].text(400, -1.56, r"$-(1+\gamma)$", fontsize=8, color="0.4", ha="right", va="top")
panels[0].set_ylim(-1.7, None)
panels[0].legend(loc="upper right")
panels[1].set_ylim(0, 1.05)
panels[2].set_yscale("log")
plt.show()

# %% [markdown]
# Lines: exact; markers: simulation. In all three cases every feature reaches its prototype and the loss its global
# minimum. The accuracy ends at 1, 1 and 1/2.
#
# ## How often does a search find the ETF?
#
# For given prototypes the best features are $h_c = E_2 u_c / \lVert u_c \rVert$, and for given features the best
# prototypes have the same form. Alternate the two from 2000 random starts, and look at the cosines between prototypes
# at the end.

# %%
rng = np.random.default_rng(0)
found = {}
for count in (3, 4):
    w = rng.standard_normal((2000, count, 3))  # a row a prototype
    for _ in range(200):
        w = (1 + gamma) * w - gamma * w.sum(axis=1, keepdims=True)
        w /= np.linalg.norm(w, axis=2, keepdims=True)
    gram = w @ w.transpose(0, 2, 1)
    own = np.einsum("rcc->rc", gram)
    losses = np.mean(-own + gamma * (gram.sum(axis=2) - own), axis=1)
    found[count] = gram[:, *np.triu_indices(count, 1)]
    spread = np.ptp(found[count], axis=1)
    print(
        f"C = {count}: losses from {losses.min():.4f} to {losses.max():.4f}; "
        f"cosines within 0.01 of the ETF's in {np.mean(spread < 0.01):.1%} of the runs"
    )

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)
for axes, (count, cosines) in zip(panels, found.items(), strict=True):
    weights = np.full(cosines.size, 1 / cosines.size)
    axes.hist(cosines.ravel(), bins=np.arange(-1.025, 1.03, 0.05), weights=weights, color="C0", alpha=0.75)
    axes.axvline(-1 / (count - 1), color="C3", ls="--", label=f"simplex ETF, {-1 / (count - 1):.2f}")
    axes.set(title=f"C = {count}", xlabel="cosine between two prototypes", yscale="log", ylim=(1e-3, 2))
    axes.legend(loc="upper right")
panels[0].set_ylabel("share of all pairs")
plt.show()

# %% [markdown]
# Every run reaches the minimum. For $C = 3$ each of them is the ETF; for $C = 4$ practically none is. The set of
# minimisers is a continuum, and the ETF is one point of it.
#
# ## Beyond the critical gamma
#
# Let the prototypes lean from the ETF $V$ towards a direction $e$ orthogonal to it ($p \ge C$),
# $w_c = \sin\phi\, v_c + \cos\phi\, e$, with their best features. Then
# $u_c = a \sin\phi\, v_c + (a - \gamma C) \cos\phi\, e$ and $L = -\lVert u_c \rVert$.

# %%
angle = np.radians(np.linspace(0, 90, 181))
figure, axes = plt.subplots(figsize=(6.2, 3.2))
for k, g in enumerate((0.5, 1.0, 1.5)):
    u = np.hypot((1 + g) * np.sin(angle), (1 + g - g * classes) * np.cos(angle))
    axes.plot(np.degrees(angle), -u, f"C{k}", ls=("-", "--", "-.")[k], zorder=3)
    axes.text(2, -abs(1 + g - g * classes) + 0.06, rf"$\gamma = {g}$", color=f"C{k}")
    axes.plot(90, -1 - g, f"C{k}o", ms=5, clip_on=False)
axes.set(
    xlabel=r"$\phi$ in degrees: from all prototypes equal (0) to the ETF (90)",
    ylabel="loss",
    xlim=(0, 90),
    ylim=(-3.7, -0.2),
)
plt.show()

# %% [markdown]
# Dots: the printed value $-(1 + \gamma)$. Below $2/(C-2) = 1$ leaning costs; at 1 all angles tie; above, the lowest
# loss is where all prototypes are one vector $e$ and all features its opposite, $-(\gamma C - 1 - \gamma)$: at
# $\gamma = 1.5$ that is $-3.5$, against $-2.5$ for the ETF. The phase boundary of the dynamics
# ([Corollary 3](02_theorem2_corollary3.ipynb)) is already here.
#
# **Where the proof slips.** It needs the mean of $\lVert C \hat w - w_c \rVert^2$, $\hat w$ the mean prototype, and
# prints $\frac1C \sum_c \lVert w_c \rVert^2 - C^2 \lVert \hat w \rVert^2$. The square has a cross term:

# %%
w = rng.standard_normal((3, classes))
mean, squares = w.mean(axis=1), np.mean(np.sum(w**2, axis=0))
true = np.mean(np.sum((classes * mean[:, None] - w) ** 2, axis=0))
print(f"true {true:.4f}, printed {squares - classes**2 * mean @ mean:.4f}, ", end="")
print(f"corrected, with C^2 - 2 C for -C^2: {squares + (classes**2 - 2 * classes) * mean @ mean:.4f}")

# %% [markdown]
# ## Verdicts

# %%
verify("lemma1")

# %% [markdown]
# ## Try this
#
# **Fewer dimensions.** The value needs no $p \ge C - 1$: in the plane a regular polygon has sum zero. How low does it
# come, and what are its margins?

# %%
count = 6
turn = 2 * np.pi * np.arange(count) / count
w = np.array([np.cos(turn), np.sin(turn)])
logits = w.T @ w
off = ~np.eye(count, dtype=bool)
loss = np.mean(-np.diag(logits) + gamma * (logits.sum(axis=0) - np.diag(logits)))
margin = np.min(np.diag(logits) - np.where(off, logits, -np.inf).max(axis=0))
print(f"C = {count}, p = 2: loss {loss:.4f}, smallest margin {margin:.4f} (ETF, p >= 5: {1 + 1 / (count - 1):.4f})")

# %% [markdown]
# **Three classes.** Change `count` above to 3, or `arrangements` to `(e1, -e1, e2)`: is its loss still minimal?

# %%
w = np.array([[1.0, -1, 0], [0, 0, 1]])
u = (1 + gamma) * w - gamma * w.sum(axis=1, keepdims=True)
print(f"(e1, -e1, e2), best features: loss {-np.mean(np.linalg.norm(u, axis=0)):.4f}, ETF {-1 - gamma:.4f}")

# %% [markdown]
# **What a search does above the critical gamma.** Set `g` to 0.9 and to 1.1 and look at the length of the sum of the
# prototypes (0: balanced; $C$: all equal). The update is the exact minimisation in turns of above.

# %%
g = 1.1
w = rng.standard_normal((2000, classes, 3))
for _ in range(1000):
    h = (1 + g) * w - g * w.sum(axis=1, keepdims=True)
    h /= np.linalg.norm(h, axis=2, keepdims=True)
    w = (1 + g) * h - g * h.sum(axis=1, keepdims=True)
    w /= np.linalg.norm(w, axis=2, keepdims=True)
lengths = np.linalg.norm(w.sum(axis=1), axis=1)
print(f"g = {g}: all prototypes equal in {np.mean(lengths > 0.999 * classes):.1%} of the runs")
