"""DABI, the job: learns a model from the features, says how well it would have guessed beside two that know
nothing, and puts it in force. DANI looks at the pointer; until it moves, the old model decides.

    python3 -m jobs.dabi_train FEATURES          the name under which ROKO's features lie on their shelf
"""

import sys

import features
import model
import shelf
from jobs import job


def learn(table, name):
    """The model of these features, with its score. The same features give the same model."""
    score = model.walk_forward(table)
    learned = model.train(model.samples(table))
    for part in ("mean", "spread", "weights"):
        learned[part] = [round(value, 6) for value in learned[part]]
    learned.update(bias=round(learned["bias"], 6), middle=round(learned["middle"], 6))
    return {**learned, "kind": "logistic", "inputs": features.INPUTS, "features": name, "score": score}


def main():
    source, models = sys.argv[1], shelf.Shelf("models")
    learned = learn(job.read_rows(shelf.Shelf("features").get(source)), source)
    score = learned["score"]
    name = models.put(shelf.as_json(learned))
    models.point(name, features=source, score=score["model"])
    naive = f"always up {score['always_up']}, last direction {score['last_direction']}"
    job.say("INFO", f"model {name[:12]}: right {score['model']} of {score['ticks']} ticks; {naive}")
    job.output("model", name)
    job.output("score", score["model"])


if __name__ == "__main__":
    job.run(main)
