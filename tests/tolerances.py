"""Every tolerance of these tests, by name: derived, promised, or measured (the worst value over the tests is given).

Measured ones stand about ten times above what was measured, so that another order of summation passes and a lost digit
does not. A promised one is what the issue demands; where the truth is far better, the test demands more than that.
"""

U = 2.0**-53  # half an ulp of 1 in float64

# -- schedules ---------------------------------------------------------------------------------------------------------
FORMULA = 8 * U  # derived: two spellings of one formula differ by a few roundings; relative to the largest value
INTEGRAL = 4e-15  # derivative of area, moment and zeta against the integrand; measured 3.4e-16
QUADRATURE = 1e-14  # zeta against scipy.integrate.quad at epsrel 1e-13; measured 7.8e-16
SMOOTH = 16 * U  # where two forms meet or a parameter vanishes; measured 4.2e-16

# -- problem -----------------------------------------------------------------------------------------------------------
OPERATOR = 5e-15  # products of standard normal arrays with M, entries of order one; measured 6.7e-16

# -- metrics -----------------------------------------------------------------------------------------------------------
METRIC = 1e-14  # a metric of a random state against plain NumPy, relative and absolute; measured 8.1e-16
TWICE = 2e-14  # modes against states, in the metric's unit; measured 1.3e-15
ETF = 4e-15  # perfect configurations: a few roundings of numbers of order one; measured 4.4e-16

# -- closed forms ------------------------------------------------------------------------------------------------------
STATE = 1e-14  # two evaluations of one exact state, relative to its norm; measured 8.9e-16
RESIDUAL = 1e-14  # of the own equation, relative to the norm of the state; measured 1.0e-15
LIMIT = 5e-14  # direction, or features, at a time where every transient is below 1e-20; measured 3.4e-15
STEPS_2000 = 1e-12  # promised 1e-11: state gap after 2000 steps, over the largest norm on the path; measured 4.3e-14
ANGLE = 1e-13  # promised 1e-12: per sample angle of spherical descent; measured 1.8e-15, of ln|h| 7.0e-15
FLOW = 5e-12  # promised 1e-11: against diffrax at rtol 1e-12, at every saved time; measured 6.1e-13
EXPM = 2e-12  # promised 1e-11: against scipy.linalg.expm, whose own error this is; measured 2.3e-13

# -- momentum ----------------------------------------------------------------------------------------------------------
ROOTS = 1e-13  # ln|g| of one mode against its roots in 60 digits, up to 100 000 steps; measured 2.0e-14
SHARP = 1e-3  # promised: the stability limits are told from their neighbours

# -- properties --------------------------------------------------------------------------------------------------------
PROPERTY = 5e-14  # symmetries, semigroup, clocks, over the largest norm on the path; measured 3.6e-15
CONSERVED = 1e-14  # conserved moments, over the largest sum of squares on the path; measured below 1e-15
SINGULAR = 4e-15  # singular values of order one; measured 2.2e-16
RATE_MEASURED = 0.01  # promised 1 %: the fit is over a window where faster modes still show; measured 0.65 %
RATE = 2e-5  # predicted rate against the late slope of the exact distance; measured 2.7e-6 (the next mode's tail)
EXACT_ROUNDING = 1e-13  # what the exact solution adds to the simulation's bound: |loss| far below its unit; 3.4e-14
