# %% [markdown]
# # Start here
#
# A network's last layer, taken by itself: the features $H \in \mathbb{R}^{p \times n}$ (one column a sample), the class
# prototypes $W \in \mathbb{R}^{p \times C}$ and the biases $b \in \mathbb{R}^C$ are all free to move, and they move
# down the gradient of a loss that is *linear* in the logits $z_i = W^\top h_i + b$, the unhinged loss
#
# $$L = -\frac1n \sum_{i=1}^n \Big[ z_{i, y_i} - \gamma \sum_{c \ne y_i} z_{i, c} \Big]
#     = -\langle W, H M^\top \rangle - b \cdot m , \qquad
#   M_{c i} = \frac1n \begin{cases} 1 & c = y_i \\ -\gamma & c \ne y_i \end{cases}, \quad m = M 1 .$$
#
# All that the labels say is in one fixed matrix $M$, so training can be solved in closed form, at any horizon. This
# package does three things with that:
#
# | | | |
# |---|---|---|
# | **simulate** | `dynamics.simulate` | runs gradient descent, or gradient flow, step by step, and knows no theorem |
# | **solve** | `theorems.solve` | evaluates the exact solution at the same times, and knows no step |
# | **judge** | `theorems.compare`, `theorems.verify` | compares the two; judges each claim of the theory by itself |
#
# The theorems are those of Zhou et al., *On the Dynamics Under the Unhinged Loss and Beyond*,
# [JMLR 24(376), 2023](https://arxiv.org/abs/2312.07841). Not all that is printed there holds, and the notebooks show
# where, with the number that decides:
#
# | notebook | question |
# |---|---|
# | [Lemma 1](01_lemma1.ipynb) | Which prototypes and features minimise the loss? Only neural collapse? |
# | [Theorem 2, Corollary 3](02_theorem2_corollary3.ipynb) | Where do $H$, $W$, $b$ go when nothing holds them? |
# | [Theorem 4, Corollary 5](03_theorem4_corollary5.ipynb) | What does weight decay change? |
# | [Theorem 6](04_theorem6.ipynb) | What if the prototypes are anchored? |
# | [Theorem 7](05_theorem7.ipynb) | What if the features are normalised? |
# | [Theorem 8](06_theorem8.ipynb) | What if the features move through a neural tangent kernel? |
#
# **Install.** In the root of the repository, with Python 3.11 or newer:
# `python3 -m venv .venv && .venv/bin/pip install -e '.[notebooks]' && .venv/bin/jupyter lab notebooks`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

from dynamics import Experiment, InputError, load, simulate
from theorems import compare, solve, verify
from theorems.style import STYLE

plt.rcParams.update(STYLE | {"figure.constrained_layout.use": True, "figure.dpi": 96})

# %% [markdown]
# ## One experiment in five lines
#
# Four classes of very different size; the features learn at twice the rate of the prototypes ($s = \eta_1/\eta_2 = 2$);
# the rate follows a cosine. What is left out has a default: the paper's own numerical setting.

# %%
experiment = Experiment(
    problem=dict(classes=4, per_class=[40, 20, 10, 5], features=16, gamma=0.1),
    method=dict(kind="descent", steps=3000, eta=0.1, ratio=2.0, schedule="cosine"),
)
exact, simulated = solve(experiment), simulate(experiment)
report = compare(simulated, exact)
print(report.verdict)

# %% [markdown]
# ## Reading the report
#
# Two trajectories with the same saved times, from two programs that share no formula of the motion. Per metric:
#
# - **gap**: the largest difference, in the metric's own unit;
# - **bound**: what rounding may have done to the *simulation* (the exact solution keeps every mode at its own scale);
# - **until**: a simulation is judged only while its bound is below half the tolerance of $10^{-8}$;
# - **verdict**: AGREES if gap + bound $\le$ tolerance, DISAGREES if gap - bound is above it, INCONCLUSIVE if neither.

# %%
report

# %% [markdown]
# `distance_zbar` belongs to balanced classes (Corollary 3), so it is not compared here;
# `report.metrics["distance_zbar"].why` says so. What the metrics are, with $\mu_c$ the class means, $X$ and $Y$ the
# class means and the prototypes less their own mean over the classes, and $|\cdot|$ the Frobenius norm:
#
# | metric | |
# |---|---|
# | `loss`, `objective`, `log_abs_loss` | the loss above; with the decay terms; its logarithm |
# | `log_norm` | $\ln \lvert (H, W) \rvert$ |
# | `accuracy` | the share of samples whose own class has the largest logit |
# | `alignment` | the cosine $\langle X, Y \rangle / \lvert X \rvert \lvert Y \rvert$ |
# | `nc1` | scatter within the classes over scatter between them |
# | `nc2` | distance of the normalised $X^\top X$ from that of a simplex ETF |
# | `nc3` | self-duality, $\lvert X/\lvert X\rvert - Y/\lvert Y\rvert \rvert$ |
# | `distance` | of the direction $Z/\lvert Z\rvert$, $Z = (H, W)$, from its limit |
#
# The rate at which the distance falls is predicted as well, and measured on the simulation between the transient and
# the rounding:

# %%
rate = report.decay_rate
print(f"distance ~ exp(-r zeta): predicted r = {rate.predicted:.5f}, measured {rate.measured:.5f}")
print(f"on zeta from {rate.window[0]:.0f} to {rate.window[1]:.0f}")

# %% [markdown]
# ## A picture, and the three clocks
#
# Three clocks, never mixed: **step** $k$ of a descent, **time** $t$ of a flow (both are `times`), and $\zeta$, the
# integral of the prototypes' learning rate (`zeta`). Rates of growth and decay are per unit of $\zeta$.

# %%
figure, panels = plt.subplots(1, 3, figsize=(10, 3))
for axes, name in zip(panels, ("accuracy", "distance", "nc1"), strict=True):
    axes.plot(exact.times, exact.metrics[name], "C0-", label="exact solution")
    axes.plot(simulated.times, simulated.metrics[name], "C3o", ms=4, mfc="white", markevery=25, label="simulation")
    axes.set(xlabel="step k", ylabel=name)
panels[1].set_yscale("log")
panels[2].set_yscale("log")
panels[0].set_ylim(0, 1.05)
panels[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# Perfect accuracy is a transient. The sizes of the classes differ, so one mode outgrows all others, and in the end only
# the two largest classes are ever predicted: $(40 + 20)/75 = 0.8$. Who pulls ahead is in `classes`, over the clock
# $\zeta$ this time:

# %%
figure, axes = plt.subplots(figsize=(6, 3))
shares = exact.classes["share_prototypes"]
for c, size in enumerate(experiment.problem.sizes()):
    axes.plot(exact.zeta, shares[:, c], f"C{c}", ls=("-", "--", "-.", ":")[c], label=f"class of {size} samples")
axes.set(xlabel=r"$\zeta = \sum_{j<k} \eta_j$", ylabel="prototype's share of $|Y|$", ylim=(0, None))
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# ## The same experiment as a dictionary, as TOML, and with `--set`
#
# An experiment is data. `to_dict` and `to_toml` give all of it, defaults included; `from_dict` and `from_toml` read it.

# %%
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "mine.toml"
    file.write_text(experiment.to_toml())
    again = Experiment.from_toml(file)
print(again.to_dict() == experiment.to_dict())
print(experiment.to_toml())

# %% [markdown]
# `load` takes a preset or a TOML file, and changes as the command line takes them:
# `dynamics-sim run flow --set problem.gamma=0.1 --set method.time=300` is

# %%
flow = load("flow", ["problem.gamma=0.1", "method.time=300"])
print(flow.method.kind, "until", flow.method.clock, flow.method.time, "with gamma =", flow.problem.gamma)

# %% [markdown]
# Bad input is refused before anything is computed, with what it must be and how to cure it:

# %%
try:
    Experiment(problem=dict(gama=0.1))
except InputError as error:
    print(error)
try:
    Experiment(scenario=dict(kind="anchored", lambda_w=0.1))
except InputError as error:
    print(error)

# %% [markdown]
# ## Verify a claim
#
# `verify` judges the claims of the catalogue, all or some: `verify("thm7")` those of Theorem 7, `verify("cor3.rate")` a
# single one. A claim is a sentence that can fail. Here is one that does, as printed, with its counterexample:

# %%
(finding,) = verify("lemma10.monotone.printed")
print(finding.verdict, "by", finding.evidence.strength, "evidence, from", finding.claim.source)
print(finding.claim.sentence)
print(finding.evidence.witness)

# %% [markdown]
# | verdict | |
# |---|---|
# | SUPPORTED | no difference beyond the tolerance, the check's own error included; *symbolic*: for all parameters |
# | REFUTED | a counterexample that can be checked by hand |
# | INCONCLUSIVE, INAPPLICABLE | the check cannot tell; a hypothesis fails |
#
# A check that could not fail would say nothing. So each supported claim is also judged with one number of its formula
# moved by 0.1 % (it must then be refuted), and each refuted one with its repair (it must then be supported).
#
# ## Verdicts
#
# What this notebook rests on: descent has an exact solution of its own, and what classes of different size do to it.

# %%
verify("lemma10", "descent.exact", "imbalance.rank-one-accuracy", "imbalance.sqrt-weights")

# %% [markdown]
# ## Try this
#
# **Weights that restore balance.** With weights $n_c^{-1/2}$ a sample of a small class counts more, and the prototypes
# move exactly as if the classes were equal. The accuracy then stays at 1.

# %%
tables = experiment.to_dict()
tables["problem"]["sample_weights"] = "sqrt"
weighted = Experiment.from_dict(tables)
print(compare(simulate(weighted), solve(weighted)).verdict, "final accuracy", solve(weighted).metrics["accuracy"][-1])

# %% [markdown]
# **A million steps.** The exact solution does not care about the horizon. What does the norm come to?

# %%
tables = experiment.to_dict()
tables["method"]["steps"] = 1_000_000
far = solve(Experiment.from_dict(tables))
print(f"ln |Z| = {far.metrics['log_norm'][-1]:.1f}, accuracy {far.metrics['accuracy'][-1]:.2f}")

# %% [markdown]
# **Real data.** Scikit-learn's digits as the features at the start, 170 zeros down to 17 nines. (`dynamics-sim list`
# shows all presets, scenarios, schedules and claims.)

# %%
digits = load("digits-long-tailed", ["method.steps=1000", "output.points=41"])
report = compare(simulate(digits), solve(digits))
accuracy = report.closed_form.metrics["accuracy"]
print(report.verdict, "accuracy", accuracy[0].round(3), "at the start,", accuracy[-1].round(3), "after 1000 steps")
