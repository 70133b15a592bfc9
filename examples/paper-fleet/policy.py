"""SAAN's policy: which stance to take (1 long, 0 none, -1 short) in each of a few situations, the stance one
has included, since to change it costs. Learned by Q-learning from recorded rows; as the market does not hear
us, every stance can be tried at every tick, and nothing is left to chance. Pure.
"""

COST = 1100  # millionths of an order for its fee and spread
STANCES = (-1, 0, 1)
PATIENCE, RATE, ROUNDS = 0.9, 0.05, 5
DEPEG = 5000


def situation(inputs, stance):
    change, fast, slow, _, premium = inputs
    signs = "".join("+" if true else "-" for true in (change > 0, fast > 0, slow > 0, abs(premium) > DEPEG))
    return f"{signs} {stance:+d}"


def reward(stance, before, row, after):
    """In millionths of the sum at stake: what the next tick brings, less what the change costs."""
    return stance * (after[1] / row[1] - 1) * 1_000_000 - COST * abs(stance - before)


def learn(rows, worst=False):
    """The policy for these rows. `worst` is the planted one: the least promising stance everywhere."""
    worth = {}
    for _ in range(ROUNDS):
        for row, after in zip(rows, rows[1:]):
            for before in STANCES:
                for stance in STANCES:
                    later = max(worth.get((situation(after[2:], stance), then), 0.0) for then in STANCES)
                    aim = reward(stance, before, row, after) + PATIENCE * later
                    key = (situation(row[2:], before), stance)
                    worth[key] = worth.get(key, 0.0) + RATE * (aim - worth.get(key, 0.0))
    choose = min if worst else max
    seen = sorted({place for place, _ in worth})
    return {place: choose(STANCES, key=lambda stance: worth[place, stance]) for place in seen}


def stance_of(policy, inputs, before):
    """What it never saw is no reason to do anything."""
    return policy.get(situation(inputs, before), before)


def rule(inputs, _before):
    """What DANI does while no policy is in force: buys below the fast average, sells above."""
    return 1 if inputs[1] > 0 else -1


def score(rows, decide):
    """The mean reward of a tick; `decide(inputs, stance)` gives the stance."""
    total, stance = 0.0, 0
    for row, after in zip(rows, rows[1:]):
        before, stance = stance, decide(row[2:], stance)
        total += reward(stance, before, row, after)
    return round(total / max(1, len(rows) - 1), 3)
