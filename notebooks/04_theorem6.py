# %% [markdown]
# # Theorem 6: anchored prototypes
#
# Fix the prototypes, at a simplex ETF, say, and let only the features move, with decay $\lambda$:
#
# $$\dot H = \eta\, (W M - \lambda H) .$$
#
# **Theorem 6.** Every entry of $H$ relaxes by itself to its entry of $WM/\lambda$: with $\zeta = \int \eta$, eq. (17),
#
# $$H = e^{-\lambda \zeta} H_0 + \frac{1 - e^{-\lambda \zeta}}{\lambda}\, W M .$$
#
# What follows, and is sharper than what is printed:
#
# - the printed $O(e^{-\lambda \zeta})$ is an **equality**,
#   $\lvert H - WM/\lambda\rvert = e^{-\lambda \zeta}\, \lvert H_0 - WM/\lambda\rvert$, from every start and for every
#   schedule;
# - without decay there is no limit, $H = H_0 + \zeta\, WM$, and the **direction** converges only like $1/\zeta$. So not
#   "all cases" converge exponentially;
# - the limit of class $c$ is $\frac{1}{n \lambda} \big((1 + \gamma) w_c - \gamma \sum_j w_j\big)$: the **size of the
#   class is not in it**. No minority collapses.

# %%
import matplotlib.pyplot as plt
import numpy as np

from dynamics import Experiment, prepare, simulate
from theorems import compare, exact_states, solve, verify
from theorems.style import STYLE

plt.rcParams.update(STYLE | {"figure.constrained_layout.use": True, "figure.dpi": 96})

# %% [markdown]
# ## A run with classes of 40 to 5 samples
#
# Descent with $s = \eta_1/\eta_2 = 2$ and a rate that drops twice. The prototypes are fixed, but the clock of this
# package is still $\zeta = \int \eta_2$, so the theorem's clock is $s \zeta$.

# %%
sizes, s, gamma = [40, 20, 10, 5, 5], 2.0, 0.1
problem, output = dict(classes=5, per_class=sizes, features=16, gamma=gamma), dict(points=201)
descent = dict(kind="descent", steps=2000, eta=0.1, ratio=s, schedule="step", every=800, factor=0.3)
anchored = dict(kind="anchored", prototypes="etf", lambda_h=0.02)
experiment = Experiment(problem=problem, scenario=anchored, method=descent, output=output)
exact, simulated = solve(experiment), simulate(experiment)
report = compare(simulated, exact)
judged = [one for one in report.metrics.values() if one.gap is not None]
print(f"{report.verdict}: {len(judged)} metrics judged, tolerance 1e-08")

# %%
figure, panels = plt.subplots(1, 3, figsize=(10.5, 3))
labels = {"accuracy": "accuracy", "log_norm": r"$\ln |(H, W)|$", "nc1": "NC1"}
for axes, (name, label) in zip(panels, labels.items(), strict=True):
    axes.plot(exact.times, exact.metrics[name], "C0", label="exact")
    axes.plot(simulated.times, simulated.metrics[name], "C3o", ms=4, mfc="white", markevery=12, label="simulation")
    axes.set(xlabel="step k", ylabel=label)
panels[0].set_ylim(0, 1.05)
panels[2].set_yscale("log")
panels[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# ## The equality
#
# $\lvert H - WM/\lambda\rvert$ over its value at the start: a flow, and a descent with a very large step, for which
# $e^{-\lambda \zeta}$ becomes $\prod_j (1 - \lambda \eta_j)$. The target is written out with the label operator $M$ as
# a matrix.

# %%
labelled, start = prepare(experiment)
M = ((1 + gamma) * np.eye(5)[:, labelled.labels] - gamma) / labelled.samples
drive, lam = (start.prototypes.T @ M).T, anchored["lambda_h"]  # (W M)', a row a sample
whole = np.linalg.norm(start.features - drive / lam)
methods = {
    "flow, cosine schedule": dict(kind="flow", time=240.0, eta=0.5, ratio=s, schedule="cosine"),
    "descent, eta1 = 0.8/lambda": dict(kind="descent", steps=6, eta=20.0, ratio=s),
}
figure, axes = plt.subplots(figsize=(7, 3.3))
for k, (label, method) in enumerate(methods.items()):
    one, seen = Experiment(problem=problem, scenario=anchored, method=method, output=dict(points=7)), []
    simulate(one, watch=seen.append)
    zeta = one.method.zeta(one.times())
    law = np.exp(-lam * s * zeta) if method["kind"] == "flow" else (1 - lam * s * method["eta"]) ** one.times()
    exact = [np.linalg.norm(state.features - drive / lam) / whole for _, state in exact_states(one, one.times())]
    found = [np.linalg.norm(np.asarray(state.features) - drive / lam) / whole for state in seen]
    agree = [np.allclose(left, law, rtol=1e-9, atol=0) for left in (exact, found)]
    print(f"{label:26} follows its law to 1e-9: exact solution {agree[0]}, simulation {agree[1]}")
    axes.semilogy(zeta, law, ("k-", "k--")[k], lw=1)
    axes.semilogy(zeta, found, f"C{k}" + "os"[k], mfc="white", label=label)
axes.text(55, 0.2, r"$e^{-\lambda s \zeta}$", ha="left")
axes.text(75, 3e-4, r"$(1 - \lambda\eta_1)^k$", ha="right")
axes.set(xlabel=r"$\zeta = \int \eta_2$", ylabel=r"$|H - WM/\lambda|\;/\;|H_0 - WM/\lambda|$")
axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# ## Without decay: only $1/\zeta$
#
# The distance of the *direction* of $H$ from that of $WM$. With decay it falls exponentially; at $\lambda = 0$ it is
# $\lvert H_0^\perp\rvert / (s \zeta\, \lvert WM\rvert)$ in the end, $H_0^\perp$ the part of the start across $WM$.

# %%
constant_rate = dict(kind="descent", steps=2000, eta=0.1, ratio=s)
unit = drive / np.linalg.norm(drive)
across = start.features - np.sum(start.features * unit) * unit
constant = np.linalg.norm(across) / np.linalg.norm(drive) / s
steps = np.geomspace(100, 1e6, 61).astype(int)
figure, axes = plt.subplots(figsize=(6.6, 3.4))
for k, lam in enumerate((0.0, 1e-4, 1e-3, 1e-2)):
    run = Experiment(
        problem=problem, scenario=anchored | dict(lambda_h=lam), method=constant_rate | dict(steps=6000), output=output
    )
    long = Experiment(**run.to_dict() | {"method": constant_rate | dict(steps=1_000_000)})
    states = [state.features for _, state in exact_states(long, steps)]
    along = np.array([np.sum(h * unit) for h in states])
    away = np.array([np.linalg.norm(h - part * unit) for h, part in zip(states, along, strict=True)])
    distance = 2 * np.sin(np.arctan2(away, along) / 2)
    axes.loglog(0.1 * steps, distance, f"C{k}", ls=("-", "--", "-.", ":")[k], label=rf"$\lambda = {lam:g}$")
    found = simulate(run)
    axes.loglog(found.zeta[1:], found.metrics["distance"][1:], f"C{k}" + "os^D"[k], ms=4, mfc="white", markevery=20)
    if lam == 0:
        print(f"lambda = 0: zeta times the distance is {0.1 * steps[-1] * distance[-1]:.3f} at the end, ", end="")
        print(f"predicted {constant:.3f}; kind of decay: {solve(run).decay.kind}")
axes.loglog(0.1 * steps[15:], constant / (0.1 * steps[15:]), "k:", lw=1.5, label=r"$|H_0^\perp|/(s\zeta|WM|)$")
axes.set(xlabel=r"$\zeta = \eta k$", ylabel=r"$|\hat H - \widehat{WM}|$", xlim=(8, None), ylim=(1e-12, 3))
axes.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## No minority collapse
#
# The share of each class in the class means, anchored and free (no decay), from the same classes of 40, 20, 10, 5, 5.

# %%
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3), sharey=True)
for axes, scenario, title in zip(
    panels, (anchored, dict(kind="unconstrained")), ("anchored prototypes", "free prototypes"), strict=True
):
    one = Experiment(problem=problem, scenario=scenario, method=constant_rate, output=output)
    exact, simulated = solve(one), simulate(one)
    for c, size in enumerate(sizes):
        style = dict(color=f"C{c}", ls=("-", "--", "-.", ":", (0, (6, 1)))[c])
        axes.plot(exact.zeta, exact.classes["share_means"][:, c], **style, label=f"{size} samples")
        seen = simulated.classes["share_means"][:, c]
        axes.plot(simulated.zeta, seen, f"C{c}" + "os^Dv"[c], ms=4, mfc="white", markevery=(4 * c, 25))
    axes.set(xlabel=r"$\zeta = \eta k$", title=f"{title}: {compare(simulated, exact).verdict}", ylim=(0, 1))
panels[0].set_ylabel("share of the class means")
panels[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# ## Figure 15 of the paper
#
# Anchored random prototypes in its setting ($C = 100$, $N = 10$, $p = 512$, 50 000 steps), solved exactly. The printed
# curves of (c) end in floors at $10^{-14}$, which are rounding; the true ones go on. The top curve is the algebraic
# one.

# %%
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.2))
for k, lam in enumerate((0.0, 0.001, 0.005, 0.01, 0.05, 0.1)):
    one = Experiment(scenario=dict(kind="anchored", lambda_h=lam), output=dict(points=51))
    exact = solve(one)
    style = dict(color=f"C{k}", ls=("-", "--", "-.", ":", (0, (6, 1)), "-")[k], label=rf"$\lambda = {lam:g}$")
    panels[0].semilogy(exact.times, exact.metrics["distance"], **style)
    panels[1].plot(exact.times, np.exp(exact.metrics["log_norm"]), **style)
panels[0].axhspan(1e-30, 1e-14, color="0.9", zorder=0)
panels[0].text(17_000, 1e-24, "below the rounding of float64", ha="left", fontsize=8, color="0.4")
panels[0].set(xlabel="step k", ylabel=r"$|\hat H - \widehat{WM}|$", title="Figure 15(c), exact", ylim=(1e-30, 5))
panels[1].set(xlabel="step k", ylabel=r"$|(H, W)|$", title="as Figure 15(d), exact")
panels[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# ## Verdicts

# %%
verify("thm6", "sec3", "sec42", "imbalance.anchored")

# %% [markdown]
# ## Try this
#
# **Anchor at the wrong place.** Replace `prototypes="etf"` by `"start"`: random prototypes, whose sum is not zero. The
# limit is still $WM/\lambda$. How much worse is the accuracy there, for $p = 16$ and for $p = 3$?

# %%
for features in (16, 3):
    one = Experiment(
        problem=problem | dict(features=features),
        scenario=anchored | dict(prototypes="start"),
        method=constant_rate,
        output=output,
    )
    exact = solve(one)
    print(f"p = {features:2}: final accuracy {exact.metrics['accuracy'][-1]:.3f}, NC2 {exact.metrics['nc2'][-1]:.3f}")

# %% [markdown]
# **Sample weights** come back in the target: with weights $\omega_c \propto 1/n_c$ the small classes get *longer*
# features.

# %%
for weights in ("none", "sqrt", "inverse"):
    one = Experiment(
        problem=problem | dict(sample_weights=weights), scenario=anchored, method=constant_rate, output=output
    )
    print(f"{weights:8} shares of the class means {solve(one).classes['share_means'][-1].round(3)}")

# %% [markdown]
# **Where descent breaks.** $\lvert 1 - \lambda \eta_1 \rvert < 1$ is all it needs. Try $\eta_1$ on both sides of
# $2/\lambda$.

# %%
for share in (0.99, 1.01):
    one = Experiment(
        problem=problem,
        scenario=anchored,
        method=dict(kind="descent", steps=1000, eta=share * 2 / 0.02 / s, ratio=s),
        output=output,
    )
    print(f"eta1 = {share} * 2/lambda: ln |(H, W)| at the end {solve(one).metrics['log_norm'][-1]:.2f}")
