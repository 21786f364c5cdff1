import pytest

from neural_style.bench import program
from neural_style.bench.measuring import random_pictures
from neural_style.bench.torch_evaluation import torch_evaluation
from neural_style.config.config import Config


def test_pytorch_computes_the_same_loss_at_even_and_odd_sizes(network):
    pytest.importorskip("torch")
    content, style, start = random_pictures(54)
    for rounding in "up", "down":
        given = Config("photo", ["painting"], loss="athalye", pool_rounding=rounding)
        config = program.resolve(given, network)
        objective = program.whole_objective(config, network, content, [style])
        ours = float(program.evaluate(objective, program.encode(objective, start))[0].total)
        theirs = torch_evaluation(config, network, content, style, start, on_gpu=False)
        assert theirs() == pytest.approx(ours, rel=1e-3), rounding
