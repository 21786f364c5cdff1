"""L-BFGS in NumPy and float64, as the book writes it: slow, and for tests alone."""

import math

import numpy as np


def direction(gradient, pairs):
    """Nocedal and Wright, algorithm 7.4: the two-loop recursion, of pairs (step, change), oldest first."""
    q, alphas = -gradient, []
    for step, change in reversed(pairs):
        alphas.append(step @ q / (step @ change))
        q = q - alphas[-1] * change
    step, change = pairs[-1]
    q = q * (step @ change) / (change @ change)
    for (step, change), alpha in zip(pairs, reversed(alphas), strict=True):
        q = q + (alpha - change @ q / (step @ change)) * step
    return q


def dense_inverse(pairs):
    """The inverse Hessian of such pairs by the formula for dense matrices (Nocedal and Wright, 6.17 and 7.20)."""
    step, change = pairs[-1]
    identity = np.eye(len(step))
    inverse = identity * (step @ change) / (change @ change)
    for step, change in pairs:
        left = identity - np.outer(step, change) / (step @ change)
        inverse = left @ inverse @ left.T + np.outer(step, step) / (step @ change)
    return inverse


def minimize(value_and_grad, start, evaluations, history_size, first_step=1.0):
    """The points that are evaluated, the start first, without regard to noise; `start` is (n,)."""
    point, pairs, points = np.asarray(start, np.float64), [], []

    def evaluate(place):
        points.append(place)
        return value_and_grad(place)

    value, gradient = evaluate(point)
    while len(points) < evaluations:
        if pairs:
            way = direction(gradient, pairs[-history_size:])
        else:
            way = -first_step * math.sqrt(gradient.size) / np.linalg.norm(gradient) * gradient
        best = _search(evaluate, point, value, gradient, way)
        if best is None:
            pairs = []
            continue
        if (best[0] - point) @ (best[2] - gradient) > 0:
            pairs.append((best[0] - point, best[2] - gradient))
        point, value, gradient = best
    return points[:evaluations]


def _search(evaluate, point, value, gradient, way):
    """The best (point, value, gradient) along a way, by steps that meet the strong Wolfe conditions."""
    slope = gradient @ way
    low, high, step, best, lowest = (0.0, value, slope), None, 1.0, None, value
    for _ in range(10):
        there = point + step * way
        its_value, its_gradient = evaluate(there)
        its_slope = its_gradient @ way
        here = (step, its_value, its_slope)
        if its_value < lowest:
            best, lowest = (there, its_value, its_gradient), its_value
        if its_value > value + 1e-4 * step * slope or its_value >= low[1]:
            high = here
        elif abs(its_slope) <= 0.9 * abs(slope):
            return best
        else:
            if its_slope * (1 if high is None else high[0] - low[0]) >= 0:
                high = low
            low = here
        step = 4 * low[0] if high is None else _lowest_of_cubic(low, high)
    return best


def _lowest_of_cubic(low, high):
    """Where the cubic with these (place, value, derivative) is lowest, a tenth from the ends; found by its roots."""
    (a, value_a, slope_a), (b, value_b, slope_b) = low, high
    powers = [[x**3, x**2, x, 1] for x in (a, b)] + [[3 * x**2, 2 * x, 1, 0] for x in (a, b)]
    cubic = np.poly1d(np.linalg.solve(powers, [value_a, value_b, slope_a, slope_b]))
    minima = [root.real for root in cubic.deriv().roots if abs(root.imag) < 1e-12 and cubic.deriv(2)(root.real) > 0]
    margin = abs(b - a) / 10
    return float(np.clip(minima[0] if minima else (a + b) / 2, min(a, b) + margin, max(a, b) - margin))
