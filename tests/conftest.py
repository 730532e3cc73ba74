"""One hypothesis profile for all, and an end to what compiled code piles up.

No deadline (it would time compilation), the same examples every time.
"""

import jax
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")

TESTS = 60  # between two clearings
_done = 0


def pytest_runtest_teardown() -> None:
    """Drop compiled code now and then: each piece holds memory maps, of which Linux gives a process 65 530.

    A process that compiles for thousands of shapes, as no user's does, would crash without it.
    """
    global _done
    _done += 1
    if _done % TESTS == 0:
        jax.clear_caches()
