import pickle

import pytest

from neural_style import vgg19_spec
from neural_style.config.config import OPTIONS
from neural_style.losses import spec
from neural_style.losses.content import FeatureFormula
from neural_style.losses.spec import FORMULAS, IMAGE, STATISTICS, LossSpec, LossTerms, Term
from neural_style.losses.style import MomentFormula
from neural_style.losses.variation import PixelFormula


def made(style_layers=("relu1_1", "relu2_1")):
    return LossSpec(
        (
            Term("content", "squared difference", ("relu2_1", "relu4_2")),
            Term("style", "gram", style_layers),
            Term("tv", "squared variation", (IMAGE,)),
        )
    )


def test_terms_by_the_kind_of_their_formula():
    found = made()
    kinds = (FeatureFormula, MomentFormula, PixelFormula)
    assert [[term.name for term in found.of_kind(kind)] for kind in kinds] == [["content"], ["style"], ["tv"]]
    assert [term.kind for term in found.terms] == [*kinds]
    assert {type(formula) for formula in FORMULAS.values()} == {*kinds}


def test_layers_of_all_terms_but_the_image():
    assert made().layers == {"relu1_1", "relu2_1", "relu4_2"}
    assert LossSpec((Term("tv", "squared variation", (IMAGE,)),)).layers == frozenset()
    assert IMAGE not in vgg19_spec.LAYERS


def test_equal_specs_are_one_key():
    assert made() == made()
    assert len({made(), made(), made(("relu1_1",))}) == 2
    assert pickle.loads(pickle.dumps(made())) == made()
    with pytest.raises(AttributeError):
        made().terms = ()


def test_a_term_takes_its_kind_from_the_table(monkeypatch):
    """Which a new formula is a row of."""
    monkeypatch.setattr(spec, "FORMULAS", {**FORMULAS, "toy": MomentFormula(None, None, with_first=True)})
    assert Term("style", "toy", ("relu1_1",)).kind is MomentFormula
    with pytest.raises(KeyError, match="no such"):
        _ = Term("style", "no such", ("relu1_1",)).kind


def test_statistics_are_rows_of_formulas_of_moments():
    assert set(STATISTICS) == set(OPTIONS["style_loss"].choices)
    for formulas in STATISTICS.values():
        assert {type(FORMULAS[formula]) for formula in formulas} == {MomentFormula}


def test_terms_of_one_name_are_told_apart_by_their_parts():
    terms = [Term("style", "gram", ()), Term("style", "gram", (), "gram"), Term("style", "mean", (), "mean")]
    assert [term.key for term in terms] == ["style", "style gram", "style mean"]


def test_losses_are_plain_tuples():
    terms = LossTerms(3.0, {"content": 1.0, "style": 2.0}, {"content": {"relu4_2": 1.0}, "style": {"relu1_1": 2.0}})
    assert terms.total == sum(terms.by_name.values())
    assert pickle.loads(pickle.dumps(terms)) == terms
