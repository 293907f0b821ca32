"""Timing side by side: on a shared machine only the ratio of neighbouring runs can be trusted."""

import statistics
import time
from collections.abc import Callable

Seconds = dict[str, list[float]]
"""For each function by name, what each of its runs took."""


def paired(functions: dict[str, Callable[[], None]], repeats: int) -> Seconds:
    """Run all functions once to warm up, then in turn ``repeats`` times, each time in the other order.

    Whatever else the machine does meanwhile slows neighbouring runs alike, so that their ratio stands.
    """
    seconds: Seconds = {name: [] for name in functions}
    for function in functions.values():
        function()
    for number in range(repeats):
        for name in list(functions)[:: 1 if number % 2 == 0 else -1]:
            started = time.perf_counter()
            functions[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(seconds: Seconds, slow: str, fast: str) -> tuple[float, float, float]:
    """Quartiles (lower, median, upper) of how many times ``fast`` is as fast as ``slow``, round by round."""
    ratios = [one / other for one, other in zip(seconds[slow], seconds[fast], strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    lower, median, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return lower, median, upper


def show(seconds: Seconds, reference: str, items: int, unit: str) -> None:
    """Print the median rate of each function, and how many times as fast it is as ``reference``."""
    width = max(map(len, seconds))
    print(f"{'':{width}}  {unit + '/s':>12}  {'times ' + reference:>{len(reference) + 6}}  (quartiles)")
    for name, runs in seconds.items():
        lower, median, upper = ratio(seconds, reference, name)
        rate = items / statistics.median(runs)
        told = f"{rate:,.0f}" if rate >= 100 else f"{rate:.2f}"
        print(f"{name:{width}}  {told:>12}  {median:>{len(reference) + 6}.2f}  ({lower:.2f} to {upper:.2f})")
