# %% [markdown]
# # Theorem 4 and Corollary 5: weight decay
#
# With decays $\lambda_1$ on the features, $\lambda_2$ on the prototypes and $\lambda_b$ on the biases (the paper takes
# $\lambda_b = \lambda_2$) the flow becomes
#
# $$\dot H = \eta_1 (W M - \lambda_1 H), \qquad \dot W = \eta_2 (H M^\top - \lambda_2 W), \qquad
#   \dot b = \eta_2 (m - \lambda_b b) .$$
#
# **Theorem 4.** On the same subspaces as in [Theorem 2](02_theorem2_corollary3.ipynb), and for $\eta_1 = s \eta_2$,
# features and prototypes now follow a system of two equations each, in $\zeta = \int \eta_2$:
#
# $$\frac{d}{d\zeta} \binom{\tilde h}{w} = S(\sigma) \binom{\tilde h}{w}, \qquad
#   S(\sigma) = \begin{pmatrix} -s \lambda_1 & s \sigma \\ \sigma & -\lambda_2 \end{pmatrix}, \qquad
#   \sigma = \begin{cases} \sigma_1 = \frac{1 + \gamma}{C \sqrt N} & \text{on the contrasts between classes} \\[2pt]
#   \sigma_2 = \frac{1 + \gamma - \gamma C}{C \sqrt N} & \text{on their mean,} \end{cases}$$
#
# and the scatter within classes decays like $e^{-s \lambda_1 \zeta}$. Let $w_1(\sigma) < w_2(\sigma)$ be the
# eigenvalues of $S(\sigma)$.
#
# **Corollary 5.** For $\lambda_1 = \lambda_2 = \lambda$ and $0 < \gamma < 2/(C-2)$ all depends on the sign of
# $w_2(\sigma_1)$: the norm tends to 0, to a finite limit, or to infinity as $\lambda$ is above, at, or below
# $\lambda^* = \sigma_1$, and the direction converges exponentially.
#
# Printed and not right: the bias of eq. (14), the third case from *every* start, and the exponent in the proof. Not
# printed: what happens for $\lambda_1 \ne \lambda_2$.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import expm

from dynamics import Experiment, prepare, simulate
from theorems import compare, exact_states, solve, verify
from theorems.style import STYLE

plt.rcParams.update(STYLE | {"figure.constrained_layout.use": True, "figure.dpi": 96})

# %% [markdown]
# ## The theorem, three ways
#
# Three different decays, $s = 2$: simulated, solved, and written out with SciPy's matrix exponential of $S(\sigma)$.

# %%
C, N, p, gamma, s = 6, 4, 16, 0.1, 2.0
problem, output = dict(classes=C, per_class=N, features=p, gamma=gamma), dict(points=201)
sigma1, sigma2 = (1 + gamma) / (C * np.sqrt(N)), (1 + gamma - gamma * C) / (C * np.sqrt(N))
lambda1, lambda2, lambda_b = 0.03, 0.06, 0.02
flow = Experiment(
    problem=problem,
    scenario=dict(kind="regularized", lambda_h=lambda1, lambda_w=lambda2, lambda_b=lambda_b),
    method=dict(kind="flow", time=24.0, eta=1.0, ratio=s),
    output=output,
)
simulated, exact = simulate(flow), solve(flow)
print(compare(simulated, exact).verdict)

zeta = exact.zeta[-1]
_, start = prepare(flow)
tilde = start.features.reshape(C, N, p).sum(axis=1) / np.sqrt(N)
residual = start.features - np.repeat(tilde, N, axis=0) / np.sqrt(N)
both = np.stack([tilde, start.prototypes])
mean = both.mean(axis=1, keepdims=True)
moved = 0
for sigma, part in ((sigma1, both - mean), (sigma2, np.broadcast_to(mean, both.shape))):
    system = np.array([[-s * lambda1, s * sigma], [sigma, -lambda2]])
    moved += np.einsum("ab,bcp->acp", expm(zeta * system), part)
features = np.repeat(moved[0], N, axis=0) / np.sqrt(N) + np.exp(-s * lambda1 * zeta) * residual
biases = np.full(C, (1 + gamma - gamma * C) / C * -np.expm1(-lambda_b * zeta) / lambda_b)
for source in (exact, simulated):
    _, last = source.last
    for name, formula in (("features", features), ("prototypes", moved[1]), ("biases", biases)):
        off = np.linalg.norm(getattr(last, name) - formula) / np.linalg.norm(formula)
        print(f"{source.source:12} {name:11} relative difference below 1e-9: {off < 1e-9}")

# %% [markdown]
# ## The bias, as printed and as it is
#
# The bias relaxes to $\frac{1 + \gamma - \gamma C}{C \lambda_b}$. In eq. (14) the integral
# $\psi = \int \zeta_2\, e^{\lambda_2 \zeta_2} dt$ should be $\int \eta_2\, e^{\lambda_2 \zeta_2} dt$. As printed it
# starts with slope zero and then grows for ever. Here $\eta_2 = 1$, so $\zeta_2 = t$; the simulation reports its states
# to a list.

# %%
decay, drive, states = 0.5, (1 + gamma - gamma * C) / C, []
relaxing = Experiment(
    problem=problem,
    scenario=dict(kind="regularized", lambda_h=decay, lambda_w=decay, lambda_b=decay),
    method=dict(kind="flow", time=12.0, eta=1.0, ratio=s),
    output=output,
)
simulate(relaxing, watch=states.append)
t = np.linspace(0, 12, 121)
true = [state.biases[0] for _, state in exact_states(relaxing, t)]
printed = drive * (t / decay + np.expm1(-decay * t) / decay**2)  # psi with zeta2 in place of eta2
figure, axes = plt.subplots(figsize=(6, 3))
axes.plot(t, printed, "C3--", label="as printed")
axes.plot(t, true, "C0", label="exact")
seen = [float(state.biases[0]) for state in states]
axes.plot(relaxing.times(), seen, "C0o", mfc="white", markevery=16, label="simulated flow")
axes.axhline(drive / decay, color="0.6", lw=0.8)
axes.text(12, 0.11, r"$(1+\gamma-\gamma C)/(C\lambda)$", ha="right", va="top", color="0.4", fontsize=8)
axes.set(xlabel="time t", ylabel="bias", ylim=(-0.03, 0.8))
axes.legend(loc="upper left")
plt.show()

# %% [markdown]
# ## Three cases, and a fourth
#
# Descent at $\lambda/\lambda^* = 1.25,\ 1,\ 0.75$. At $\lambda^*$ the limit is
# $\big(H_1^+ + \frac{1-s}{1+s} H_1^-,\; W_1^+ - \frac{1-s}{1+s} W_1^-\big)$, where $\pm$ are the parts of the start in
# which the contrasts of $\tilde h$ and $W$ are equal, or opposite.
#
# The fourth start has $\sigma_1 \tilde h_0 P = -(s \lambda + w_2) W_0 P$ and nothing else: no part of it grows, and its
# norm goes to zero at $0.75\, \lambda^*$, where the corollary prints infinity.

# %%
descent = dict(kind="descent", steps=1500, eta=0.1, ratio=s)
cases = {}
for share in (1.25, 1.0, 0.75):
    decays = dict(kind="regularized", lambda_h=share * sigma1, lambda_w=share * sigma1, lambda_b=share * sigma1)
    one = Experiment(problem=problem, scenario=decays, method=descent, output=output)
    cases[f"λ = {share:g} λ*"] = solve(one), simulate(one)

lam = 0.75 * sigma1
w1, w2 = np.sort(np.linalg.eigvals([[-s * lam, s * sigma1], [sigma1, -lam]]).real)
W = start.prototypes.T - start.prototypes.mean(axis=0)[:, None]
H = np.repeat(-(s * lam + w2) / sigma1 * W, N, axis=1) / np.sqrt(N)
with tempfile.TemporaryDirectory() as folder:
    np.savez(Path(folder) / "start.npz", H=H, W=W)
    fallen = Experiment(
        folder=folder, problem=problem, scenario=decays, method=descent, start=dict(file="start.npz"), output=output
    )
    cases["λ = 0.75 λ*, no growing part"] = solve(fallen), simulate(fallen)
for name, (exact, simulated) in cases.items():
    print(f"{compare(simulated, exact).verdict}  {name}")

# %%
plus, minus = ((start.prototypes + sign * tilde) / 2 for sign in (1, -1))
plus, minus = plus - plus.mean(axis=0), minus - minus.mean(axis=0)
factor = (1 - s) / (1 + s)
limit = np.sqrt(np.sum((plus - factor * minus) ** 2) * 2)  # the two halves, H and W, have equal norms here
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.2))
names = list(cases)
for axes, shown in zip(panels, (names[:3], names[2:]), strict=True):
    for name in shown:
        k, (exact, simulated) = names.index(name), cases[name]
        axes.plot(exact.zeta, exact.metrics["log_norm"], f"C{k}", ls=("-", "--", "-.", ":")[k], label=name)
        axes.plot(simulated.zeta, simulated.metrics["log_norm"], f"C{k}" + "os^D"[k], ms=4, mfc="white", markevery=20)
    axes.set(xlabel=r"$\zeta = \eta k$", ylabel=r"$\ln |Z|$")
    axes.legend(loc="best")
panels[0].axhline(np.log(limit), color="0.6", lw=0.8)
panels[0].text(150, np.log(limit) - 0.2, r"$\ln |Z_\pi|$, printed", color="0.4", fontsize=8, ha="right", va="top")
plt.show()
at_critical = np.exp(cases["λ = 1 λ*"][0].metrics["log_norm"][-1])
print(f"norm at lambda*: printed limit {limit:.4f}, after the last step {at_critical:.4f}")

# %% [markdown]
# Lines are exact, markers simulated. On the right the simulation of the fourth start leaves the exact solution at the
# end: its own rounding has a growing part. It was not judged there.
#
# ## The rate
#
# The slowest error is the mean over the classes: the exponent of the distance is
# $\omega = w_2(\sigma_1) - w_2(\lvert\sigma_2\rvert)$. The proof of the corollary divides this once more by $C \sqrt N$
# (here 12). As a bound, $O(e^{-\omega\zeta/C\sqrt N})$, that is true; as a rate it is 12 times too slow.

# %%
exact, simulated = cases["λ = 0.75 λ*"]
report = compare(simulated, exact)
_, of_mean = np.sort(np.linalg.eigvals([[-s * lam, s * abs(sigma2)], [abs(sigma2), -lam]]).real)
omega = w2 - of_mean
rate = report.decay_rate
print(f"omega of the flow {omega:.5f}; predicted for descent {rate.predicted:.5f}, measured {rate.measured:.5f}")
figure, axes = plt.subplots(figsize=(6, 3.2))
axes.plot(exact.zeta, exact.metrics["distance"], "C0", label="exact")
axes.plot(simulated.zeta, simulated.metrics["distance"], "C0o", ms=4, mfc="white", markevery=10, label="simulation")
axes.plot(exact.zeta, 0.5 * np.exp(-omega * exact.zeta), "k--", lw=1, label=r"$\propto e^{-\omega\zeta}$")
axes.plot(
    exact.zeta, 2 * np.exp(-omega / (C * np.sqrt(N)) * exact.zeta), "C3:", label=r"$\propto e^{-\omega\zeta/C\sqrt{N}}$"
)
axes.set(xlabel=r"$\zeta = \eta k$", ylabel="distance to the limit direction", yscale="log")
axes.legend(loc="lower left")
plt.show()

# %% [markdown]
# ## Two different decays
#
# Not in the paper: since $\det S(\sigma_1) = s (\lambda_1 \lambda_2 - \sigma_1^2)$ and the trace is negative, the norm
# vanishes, rests or explodes as $\lambda_1 \lambda_2$ is above, at or below $\sigma_1^2$, whatever $s$ is. In
# particular, decay of the prototypes alone (ordinary weight decay) never bounds the norm. Each marker is one exact
# solution.

# %%
grid, growth = np.geomspace(0.1, 10, 9), []
for x in grid:
    for y in grid:
        decays = dict(kind="regularized", lambda_h=x * sigma1, lambda_w=y * sigma1)
        method = dict(kind="descent", steps=8000, eta=0.1, ratio=s)
        one = Experiment(problem=problem, scenario=decays, method=method, output=output)
        norms = solve(one).metrics["log_norm"]
        growth.append((x, y, norms[-1] - norms[100]))
x, y, change = np.transpose(growth)
figure, axes = plt.subplots(figsize=(5.2, 3.8))
for mark, chosen, label in (
    ("C3^", change > 1e-2, "grows"),
    ("ko", abs(change) <= 1e-2, "rests"),
    ("C0v", change < -1e-2, "vanishes"),
):
    axes.loglog(x[chosen], y[chosen], mark, ms=6, mfc="white", label=f"norm {label}")
axes.loglog(grid, 1 / grid, color="0.4", lw=1, label=r"$\lambda_1\lambda_2 = \sigma_1^2$")
axes.set(xlabel=r"$\lambda_1/\sigma_1$ (features)", ylabel=r"$\lambda_2/\sigma_1$ (prototypes)")
axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# ## Figure 7 of the paper
#
# Its setting ($C = 100$, $N = 10$, $p = 512$, $\gamma = 1/(C-1)$, 50 000 steps), solved exactly, with $H$ and $W$ taken
# together. At $s = 1$ decay multiplies the whole state by about $e^{-\lambda \zeta}$ and leaves its direction alone, so
# the five distances fall on one line, and it is straight since $\sigma_2 = 0$ at this $\gamma$. The printed ones bend:
# they are those of $\gamma = 0.005$.

# %%
critical = (1 + 1 / 99) / (100 * np.sqrt(10))
decays = {"10^{-5}": 1e-5, "10^{-4}": 1e-4, "10^{-3}": 1e-3, r"\lambda^*": critical, r"5\cdot 10^{-3}": 5e-3}
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.2))
for k, (label, lam) in enumerate(decays.items()):
    scenario = dict(kind="regularized", lambda_h=lam, lambda_w=lam)
    exact = solve(Experiment(scenario=scenario, start=dict(scale_w=1 / 16), output=dict(points=51)))
    style = dict(color=f"C{k}", ls=("-", "--", "-.", ":", "-")[k], label=rf"$\lambda = {label}$", lw=2.4 - 0.4 * k)
    panels[0].semilogy(exact.times, exact.metrics["distance"], **style)
    panels[1].semilogy(exact.times, np.exp(exact.metrics["log_norm"]), **style)
panels[0].set(xlabel="step k", ylabel=r"$|\hat Z - \hat Z_\pi|$", title="as Figure 7(b, c)")
panels[1].set(xlabel="step k", ylabel="$|Z|$", title="as Figure 7(d, e)")
panels[1].legend(loc="upper left")
plt.show()

# %% [markdown]
# ## Verdicts

# %%
verify("thm4", "cor5", "sec32.threshold-general")

# %% [markdown]
# ## Try this
#
# **Classes of different size.** The largest decides: with sizes $n_c$ the norm is bounded iff
# $\lambda_1 \lambda_2 \ge \sigma^2$ for the largest singular value $\sigma$ of $M$. Here it is computed by NumPy;
# change the shares.

# %%
sizes = [8, 4, 4, 4, 2, 2]
labels = np.repeat(np.arange(C), sizes)
M = ((1 + gamma) * np.eye(C)[:, labels] - gamma) / len(labels)
largest = np.linalg.svd(M, compute_uv=False)[0]
for share in (0.98, 1.0, 1.02):
    one = Experiment(
        problem=problem | dict(per_class=sizes),
        scenario=dict(kind="regularized", lambda_h=share * largest, lambda_w=share * largest),
        method=descent | dict(steps=20_000),
        output=output,
    )
    norms = solve(one).metrics["log_norm"]
    print(f"lambda = {share:.2f} sigma: ln |Z| changes by {norms[-1] - norms[100]:+.3f} from step 10000 to 20000")

# %% [markdown]
# **Too large a step.** Above $\eta = 2/(s \lambda_1 + \lambda_2)$ the mode that changes its sign at every step is the
# largest, and the features end *opposite* to their prototypes, though the norm still goes to zero. Watch the alignment
# on both sides:

# %%
lam = 1.5 * sigma1
edge = 2 / (s * lam + lam)
for eta in (0.95 * edge, 1.05 * edge):
    one = Experiment(
        problem=problem,
        scenario=dict(kind="regularized", lambda_h=lam, lambda_w=lam),
        method=dict(kind="descent", steps=1000, eta=eta, ratio=s),
        output=output,
    )
    exact = solve(one)
    print(f"eta = {eta / edge:.2f} of the edge: alignment {exact.metrics['alignment'][-1]:+.3f}, ", end="")
    print(f"ln |Z| {exact.metrics['log_norm'][-1]:.0f}")

# %% [markdown]
# **Decay of the prototypes only.** Set `lambda_h` to 0 and make `lambda_w` as large as you like. Does the norm ever
# rest?

# %%
for share in (1, 10, 100):
    decays = dict(kind="regularized", lambda_h=0.0, lambda_w=share * sigma1)
    one = Experiment(problem=problem, scenario=decays, method=descent | dict(steps=100_000, eta=0.05), output=output)
    print(f"lambda2 = {share:3} sigma1: ln |Z| after 100 000 steps {solve(one).metrics['log_norm'][-1]:.1f}")
