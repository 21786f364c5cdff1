from neural_style.bench import classic_run
from neural_style.config.config import Config
from neural_style.config.resolve import resolve
from neural_style.runs import pyramid


def test_the_classic_run_is_that_of_the_field():
    config = Config("photo", ["painting"], **classic_run.SETTINGS)
    assert (config.optimizer, config.learning_rate, config.iterations) == ("adam", 10, 1000)
    assert [*pyramid.scales_of(resolve(config), 512, 384)] == [(512, 384, 1000)]
