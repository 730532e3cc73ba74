# %% [markdown]
# # Theorem 8: features that move through a neural tangent kernel
#
# In a network the features do not move by themselves: the weights do, and to first order the features follow through
# the neural tangent kernel $K = \nabla_\Theta H^\top \nabla_\Theta H$, a positive semi-definite matrix of size
# $pn \times pn$. Held constant,
#
# $$\dot h = \eta_1 K\, \mathrm{vec}(W M), \qquad \dot W = \eta_2 H M^\top, \qquad h = \mathrm{vec}(H) .$$
#
# The loss is linear in the logits, so this is still a linear flow.
#
# **Theorem 8 as printed.** Put $H$ and $W$ on the diagonal of $Y$, let
# $A = \begin{pmatrix} 0 & K \\ I_C & 0 \end{pmatrix}$ and $B = \begin{pmatrix} 0 & M^\top \\ M & 0 \end{pmatrix}$ have
# eigenbases $U_A$, $U_B$. Then, $z$ being $Y$ row by row, $C z(t) = e^{(\Lambda_A \otimes \Lambda_B) t}\, C z(0)$ with
# $C = U_B^{-1} U_A^{-1} \otimes I$.
#
# The sizes do not fit ($K$ is $pn \times pn$, the block below it $C \times C$), and where one makes them fit, it is
# wrong.
#
# **Repaired.** If the kernel acts on the coordinates only, $K = K_p \otimes I_n$ with $K_p$ nonsingular, then
# $\dot Y = A Y B^\top$, and it is $C = U_A^{-1} \otimes U_B^{-1}$ that diagonalises $A \otimes B$.
#
# **In general**, for *any* kernel, of any rank: let $G$ map $\mathrm{vec}(W)$ to $\mathrm{vec}(WM)$ and
# $T = s\, G^\top K G$. From $\dot w = G^\top h$ and $\dot h = s K G w$ follows $\ddot w = T w$, so
#
# $$w = \cosh(\sqrt T \zeta)\, w_0 + \frac{\sinh(\sqrt T \zeta)}{\sqrt T}\, G^\top h_0, \qquad
#   h = h_0 + s K G \Big( \frac{\sinh(\sqrt T \zeta)}{\sqrt T}\, w_0
#       + \frac{\cosh(\sqrt T \zeta) - 1}{T}\, G^\top h_0 \Big) ,$$
#
# power series in $T$ all of them: nothing has to be inverted.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import expm

from dynamics import Experiment, prepare, simulate
from theorems import compare, solve, verify
from theorems.style import STYLE

plt.rcParams.update(STYLE | {"figure.constrained_layout.use": True, "figure.dpi": 96})

# %% [markdown]
# ## The printed formula, where it makes sense
#
# Two classes, one sample each, $p = 2$: there $n + C = 2p$ and all products exist. The flow $\dot Y = A Y B^\top$ by
# SciPy's matrix exponential, against eq. (24) with the printed $C$ and with the repaired one.

# %%
gamma, K = 0.5, np.array([[2.0, 0.5], [0.5, 1.0]])
M = np.array([[1, -gamma], [-gamma, 1]]) / 2
A = np.block([[np.zeros((2, 2)), K], [np.eye(2), np.zeros((2, 2))]])
B = np.block([[np.zeros((2, 2)), M.T], [M, np.zeros((2, 2))]])
rng = np.random.default_rng(0)
H, W = rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
z0 = np.block([[H, np.zeros((2, 2))], [np.zeros((2, 2)), W]]).ravel()

(l_a, u_a), (l_b, u_b) = np.linalg.eig(A), np.linalg.eig(B)
combined = {
    "as printed": np.kron(np.linalg.inv(u_b) @ np.linalg.inv(u_a), np.eye(4)),
    "repaired": np.kron(np.linalg.inv(u_a), np.linalg.inv(u_b)),
}
times = np.linspace(0, 3, 31)
true = np.stack([expm(np.kron(A, B) * t) @ z0 for t in times])
figure, axes = plt.subplots(figsize=(6.2, 3.2))
for k, (name, C) in enumerate(combined.items()):
    start = C @ z0
    found = np.stack([np.linalg.solve(C, np.exp(np.kron(l_a, l_b) * t) * start) for t in times])
    error = np.linalg.norm(found - true, axis=1) / np.linalg.norm(true, axis=1)
    axes.semilogy(times[1:], error[1:], ("C3--", "C0")[k], label=name)
    print(f"{name:11} relative error at t = 3 below 1e-9: {error[-1] < 1e-9}")
axes.set(xlabel=r"time t = $\zeta$ (all rates 1)", ylabel="relative error of eq. (24)", ylim=(1e-17, 1e3))
axes.legend(loc="center right")
plt.show()

# %% [markdown]
# ## The general solution, three ways
#
# A random kernel $K = AA^\top/r$ of rank $r = 10$ over unequal classes, $s = 2$: simulated, solved by the package, and
# once more from the formula above with an eigendecomposition of $T$.

# %%
sizes, p, s, gamma, rank = [8, 5, 3], 6, 2.0, 0.1, 10
problem, output = dict(classes=3, per_class=sizes, features=p, gamma=gamma), dict(points=101)
descent = dict(kind="descent", steps=800, eta=0.05, ratio=s)
flow = Experiment(
    problem=problem,
    scenario=dict(kind="kernel", kernel_rank=rank),
    method=dict(kind="flow", time=20.0, eta=1.0, ratio=s, schedule="linear"),
    output=dict(points=11),
)
exact, simulated = solve(flow), simulate(flow)
print(compare(simulated, exact).verdict)

labelled, start = prepare(flow)
n = labelled.samples
M = ((1 + gamma) * np.eye(3)[:, labelled.labels] - gamma) / n
factor = labelled.kernel_factor.reshape(n * p, rank)  # rows as vec(H): sample by sample
kernel, G = factor @ factor.T / rank, np.kron(M.T, np.eye(p))
tau, basis = np.linalg.eigh(s * G.T @ kernel @ G)
root = np.sqrt(np.maximum(tau, 0))
positive, zeta = root > 1e-7, exact.zeta[-1]
safe = np.where(positive, root, 1.0)
cosh = np.cosh(root * zeta)
sinh = np.where(positive, np.sinh(safe * zeta) / safe, zeta)
rest = np.where(positive, (np.cosh(safe * zeta) - 1) / safe**2, zeta**2 / 2)
w0, g0 = basis.T @ start.prototypes.ravel(), basis.T @ (G.T @ start.features.ravel())
prototypes = basis @ (cosh * w0 + sinh * g0)
features = start.features.ravel() + s * kernel @ G @ basis @ (sinh * w0 + rest * g0)
for source in (exact, simulated):
    _, last = source.last
    for name, formula in (("features", features), ("prototypes", prototypes)):
        off = np.linalg.norm(getattr(last, name).ravel() - formula) / np.linalg.norm(formula)
        print(f"{source.source:12} {name:11} relative difference below 1e-9: {off < 1e-9}")

# %% [markdown]
# ## What the rank of the kernel does
#
# The same start, kernels of rank 1, 10 and 96 (which is full), and $K = I$, which is free features: Theorem 2. The
# entries of $A$ are standard normal, so an average direction moves equally fast in all of them.

# %%
runs = {}
for r in (1, rank, n * p):
    one = Experiment(
        problem=problem, scenario=dict(kind="kernel", kernel_rank=r), method=descent, start=dict(seed=1), output=output
    )
    runs[f"rank {r}"] = solve(one), simulate(one)
_, begin = prepare(one)
with tempfile.TemporaryDirectory() as folder:
    np.savez(Path(folder) / "start.npz", H=begin.features.T, W=begin.prototypes.T, K=np.eye(n * p))
    free = Experiment(
        folder=folder,
        problem=problem,
        scenario=dict(kind="kernel"),
        method=descent,
        start=dict(file="start.npz"),
        output=output,
    )
    runs["K = I"] = solve(free), simulate(free)
for name, (exact, simulated) in runs.items():
    rate = exact.decay.predicted
    print(f"{name:9} {compare(simulated, exact).verdict}  rate of the distance {rate:.4f} per unit of zeta")

# %%
figure, panels = plt.subplots(1, 3, figsize=(11, 3.2))
labels = {"log_norm": r"$\ln |Z|$", "nc1": "NC1", "accuracy": "train accuracy"}
for axes, (metric, label) in zip(panels, labels.items(), strict=True):
    for k, (name, (exact, simulated)) in enumerate(runs.items()):
        axes.plot(exact.zeta, exact.metrics[metric], f"C{k}", ls=("-", "--", "-.", ":", (0, (6, 1)))[k], label=name)
        axes.plot(
            simulated.zeta, simulated.metrics[metric], f"C{k}" + "os^Dv"[k], ms=4, mfc="white", markevery=(2 * k, 15)
        )
    axes.set(xlabel=r"$\zeta = \eta k$", ylabel=label)
panels[1].set_yscale("log")
panels[2].set_ylim(0, 1.05)
panels[2].legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# With free features, $K = I$, the classes collapse (NC1), and as their sizes differ, good accuracy is a transient: in
# the end only the two largest classes are predicted. A random kernel, of whatever rank, does something else. The
# growing mode carries the features along $K G u$, $u$ the top eigenvector of $T$, and whatever scatter the kernel puts
# there stays. No neural collapse, then, but a limit of NC1 that can be computed:

# %%
winner = (kernel @ G @ basis[:, -1]).reshape(n, p)
means = np.stack([winner[labelled.labels == c].mean(axis=0) for c in range(3)])
within = np.sum((winner - means[labelled.labels]) ** 2)
between = np.sum((means[labelled.labels] - winner.mean(axis=0)) ** 2)
tables = dict(problem=problem, scenario=dict(kind="kernel", kernel_rank=rank), start=dict(seed=1), output=output)
late = solve(Experiment(method=descent | dict(steps=10_000), **tables))
print(f"rank {rank}: NC1 of K G u {within / between:.4f}, after 10 000 steps {late.metrics['nc1'][-1]:.4f}")

# %% [markdown]
# **$K = I$ is Theorem 2**: the same experiment, solved by the modes of $M$ instead of those of $T$.

# %%
unconstrained = solve(Experiment(problem=problem, method=descent, start=dict(seed=1), output=output))
for name in ("log_norm", "distance", "nc1", "accuracy"):
    same = np.allclose(unconstrained.metrics[name], runs["K = I"][0].metrics[name], rtol=1e-8, atol=1e-12)
    print(f"{name:9} the same to 8 digits: {same}")

# %% [markdown]
# ## Verdicts

# %%
verify("thm8", "eq25")

# %% [markdown]
# ## Try this
#
# **A kernel that knows the classes.** $K = Q Q^\top$ where $Q$ averages over each class: the features of a class move
# as one, and their scatter rests. Does NC1 fall? Make `mixing` larger to let samples leak into other classes.

# %%
for mixing in (0.0, 0.5):
    same = np.eye(3)[labelled.labels] / np.sqrt(sizes)
    same = same + mixing * np.random.default_rng(0).standard_normal(same.shape) / np.sqrt(n)
    with tempfile.TemporaryDirectory() as folder:
        factor = np.kron(same, np.eye(p)) * np.sqrt(3 * p)  # K = K_factor K_factor'/r, r its columns
        np.savez(Path(folder) / "start.npz", H=begin.features.T, W=begin.prototypes.T, K_factor=factor)
        one = Experiment(
            folder=folder,
            problem=problem,
            scenario=dict(kind="kernel"),
            method=descent,
            start=dict(file="start.npz"),
            output=output,
        )
        exact = solve(one)
        print(f"mixing {mixing}: NC1 from {exact.metrics['nc1'][0]:.2f} to {exact.metrics['nc1'][-1]:.1e}, ", end="")
        print(f"accuracy {exact.metrics['accuracy'][-1]:.2f}; simulation {compare(simulate(one), exact).verdict}")

# %% [markdown]
# **No kernel at all.** With $K = 0$ the features rest and the prototypes move in a straight line,
# $W_0 + \zeta H_0 M^\top$: the growth is no longer exponential. What do the package's limits say?

# %%
with tempfile.TemporaryDirectory() as folder:
    np.savez(Path(folder) / "start.npz", H=begin.features.T, W=begin.prototypes.T, K=np.zeros((n * p, n * p)))
    still = Experiment(
        folder=folder,
        problem=problem,
        scenario=dict(kind="kernel"),
        method=descent,
        start=dict(file="start.npz"),
        output=output,
    )
    exact = solve(still)
line = begin.prototypes + exact.zeta[-1] * (M @ begin.features)
print("prototypes on the line:", np.allclose(exact.last[1].prototypes, line), "-", exact.why["distance"])

# %% [markdown]
# **Another seed of the kernel.** The rates are the square roots of the eigenvalues of $T$, random with $K$. How far do
# they scatter at rank 10, and at rank 96?

# %%
for r in (rank, n * p):
    growth = []
    for seed in range(5):
        scenario = dict(kind="kernel", kernel_rank=r, kernel_seed=seed)
        exact = solve(Experiment(problem=problem, scenario=scenario, method=descent, output=output))
        log_norm = exact.metrics["log_norm"]
        growth.append((log_norm[-1] - log_norm[-11]) / (exact.zeta[-1] - exact.zeta[-11]))
    print(f"rank {r}: growth rate of |Z| from {min(growth):.3f} to {max(growth):.3f} over five kernels")
