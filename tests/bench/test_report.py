from neural_style.bench.report import table


def test_table_lines_up_and_explains_itself():
    rows = [{"px": 64, "evaluation s": 0.25, "vs PyTorch float32": None}, {"px": 512, "evaluation s": 1.0}]
    title, header, first, second, note = table({"eval": rows}).splitlines()
    assert title == "eval"
    assert header.split("  ")[-1] == "vs PyTorch float32"
    assert first.split() == ["64", "0.25"]
    assert second.split() == ["512", "1"]
    assert len(header) == len(first) == len(second)
    assert "how many times faster" in note
