"""DABI's model: which way the next tick goes, as a logistic regression of ROKO's inputs. Pure: the same rows
give the same model. A row is [index, price in cents, *inputs], as features.table makes it.
"""

import math
import statistics

FOLDS = 5
STEPS, RATE, DECAY = 60, 0.5, 0.001


def samples(rows):
    """(inputs, did the price rise afterwards) of each row that has one after it."""
    return [(row[2:], after[1] > row[1]) for row, after in zip(rows, rows[1:])]


def _chance(weights, bias, scaled):
    score = bias + sum(weight * value for weight, value in zip(weights, scaled))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def _scaled(model, inputs):
    return [(value - mean) / spread for value, mean, spread in zip(inputs, model["mean"], model["spread"])]


def train(known):
    """Gradient descent over all samples at once; what it knows of the scale is of these samples alone."""
    columns = list(zip(*(inputs for inputs, _ in known)))
    mean = [statistics.fmean(column) for column in columns]
    spread = [statistics.pstdev(map(float, column)) or 1.0 for column in columns]
    model = {"mean": mean, "spread": spread}
    points = [(_scaled(model, inputs), float(rose)) for inputs, rose in known]
    weights, bias = [0.0] * len(columns), 0.0
    for _ in range(STEPS):
        slopes, lean = [0.0] * len(weights), 0.0
        for scaled, rose in points:
            error = _chance(weights, bias, scaled) - rose
            lean += error
            for at, value in enumerate(scaled):
                slopes[at] += error * value
        bias -= RATE * lean / len(points)
        weights = [
            weight - RATE * (slope / len(points) + DECAY * weight) for weight, slope in zip(weights, slopes)
        ]
    model.update(weights=weights, bias=bias)
    # Half of what it learned from lies above, half below: a market that rose makes nobody buy for ever.
    model["middle"] = statistics.median(chance_up(model, inputs) for inputs, _ in known)
    return model


def chance_up(model, inputs):
    return _chance(model["weights"], model["bias"], _scaled(model, inputs))


def walk_forward(rows):
    """The share of right guesses about ticks that came after all that was learned from, beside two guesses
    that know nothing: always up, and as the last tick."""
    known = samples(rows)
    size = len(known) // (FOLDS + 1)
    right = {"model": 0, "always_up": 0, "last_direction": 0}
    for fold in range(1, FOLDS + 1):
        learned = train(known[: fold * size])
        for inputs, rose in known[fold * size : (fold + 1) * size]:
            right["model"] += (chance_up(learned, inputs) > 0.5) == rose
            right["always_up"] += rose
            right["last_direction"] += (inputs[0] > 0) == rose
    return {"ticks": FOLDS * size, **{name: round(hits / (FOLDS * size), 4) for name, hits in right.items()}}
