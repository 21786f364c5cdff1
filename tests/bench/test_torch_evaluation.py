import pytest

from neural_style.bench import program
from neural_style.bench.measuring import random_pictures
from neural_style.bench.torch_evaluation import torch_evaluation
from neural_style.config.config import Config


def test_pytorch_computes_the_same_loss(network):
    pytest.importorskip("torch")
    config = Config("photo", ["painting"], loss="athalye")
    content, style, start = random_pictures(48)
    objective = program.whole_objective(config, network, content, [style])
    ours = float(program.evaluate(objective, objective.encode(start))[0].total)
    theirs = torch_evaluation(config, network, content, style, start, on_gpu=False)
    assert theirs() == pytest.approx(ours, rel=1e-3)
