from neural_style.bench import classic_run
from neural_style.config.config import Config


def test_the_classic_run_is_that_of_the_field():
    config = Config("photo", ["painting"], **classic_run.SETTINGS)
    assert (config.optimizer, config.learning_rate, config.iterations) == ("adam", 10, 1000)
    assert [*config.scale_plan(512, 384)] == [(512, 384, 1000)]
