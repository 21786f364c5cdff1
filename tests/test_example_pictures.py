import neural_style
from neural_style.example_pictures import example_picture


def test_pictures_of_a_checkout_lie_beside_the_package():
    for name in "lakeside.jpg", "swirls.jpg":
        assert example_picture(name).is_file()


def test_pictures_of_an_installation_lie_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "neural_style"
    (package / "examples").mkdir(parents=True)
    (package / "examples" / "swirls.jpg").touch()
    monkeypatch.setattr(neural_style, "__file__", str(package / "__init__.py"))
    assert example_picture("swirls.jpg") == package.resolve() / "examples" / "swirls.jpg"
