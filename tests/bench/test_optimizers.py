from benchmarks import rows_of


def test_optimizers_are_compared_by_their_own_share():
    rows = rows_of("optimizer")
    assert [row["optimizer"] for row in rows] == ["adam", "lbfgs", "scipy"]
    assert all(row["own"] > 0 for row in rows)


def test_a_preset_keeps_what_belongs_to_its_own_optimizer():
    """Crowson's averages iterates, which L-BFGS does not."""
    rows = rows_of("optimizer", preset="crowson")
    assert [row["optimizer"] for row in rows] == ["adam", "lbfgs", "scipy"]
