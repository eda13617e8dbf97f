"""What the user guide calls by another name: what is written in its place is said."""

from __future__ import annotations

from pathlib import Path

import pytest

import rheodsl
from rheodsl import Application
from rheodsl.errors import RheoError, UnknownNameError
from rheodsl.guide import REPLACED
from rheodsl.loading import load_app

DOCS = Path(__file__).parents[2] / "docs"
HEAD = "from rheodsl import *\nimport rheodsl as flow\napp = Application('shop')\n"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import intelliflow.api_ext as flow", "intelliflow"),
        ("from intelliflow.api_ext import *", "intelliflow"),
        ("flow.init_basic_logging()", "init_basic_logging"),
        ("flow.init_config()", "init_config"),
        ("app.create('daily')", "create"),
        ("app.import_upstream_application('a', '1', 'us-east-1')", "import_upstream_application"),
        ("app.export_to_downstream_application('a', '1', 'us-east-1')", "export_to_downstream_application"),
        ("ABI.CRADLE", "CRADLE"),
        ("CWAInternal()", "CWAInternal"),
        ("from rheodsl import CWAInternal", "CWAInternal"),
        ("compact_andes('a', 'b')", "compact_andes"),
    ],
)
def test_a_name_of_the_guide(tmp_path: Path, line: str, name: str) -> None:
    (tmp_path / "app.py").write_text(HEAD + line + "\n")
    with pytest.raises(RheoError) as raised:
        load_app(tmp_path / "app.py")
    assert raised.value.hint == REPLACED[name]
    assert raised.value.where is not None
    assert raised.value.where.line == 4


def test_without_a_command_they_are_told_too() -> None:
    with pytest.raises(UnknownNameError) as raised:
        rheodsl.init_config  # noqa: B018
    assert raised.value.hint == REPLACED["init_config"]
    app = Application("shop")
    with pytest.raises(UnknownNameError, match="Application has no 'create_dat'") as raised:
        app.create_dat  # type: ignore[attr-defined]  # noqa: B018
    assert raised.value.hint == "did you mean 'create_data'?"
    assert not hasattr(app, "_create")
    assert not hasattr(app, "nothing_like_this")


def test_what_is_named_in_their_place_is_there() -> None:
    app = Application("shop")
    for name, said in REPLACED.items():
        if said.startswith("write ") and " import " not in said:
            written = said.removeprefix("write ").partition("(")[0]
            assert hasattr(app, written) or hasattr(rheodsl, written), name


def test_the_docs_have_them_all() -> None:
    text = (DOCS / "migrating.md").read_text("utf-8")
    for name, said in REPLACED.items():
        assert f"| `{name}` | {said} |" in text


def test_poll_returns_the_path_alone(tmp_path: Path) -> None:
    lines = "app.platform = object()\nday = app.s3('o', 's3://lake/o/{day}')\nn = app.create_data('n', day)\n"
    (tmp_path / "app.py").write_text(HEAD + lines + "path, _ = app.poll(n['2024-01-01'])\n")
    with pytest.raises(RheoError) as raised:
        load_app(tmp_path / "app.py")
    assert raised.value.hint == "poll returns the path alone: path = app.poll(...)"


def test_data_id_is_another_name_of_id() -> None:
    app = Application("shop")
    orders = app.marshal_external_data(rheodsl.S3Dataset(None, "lake", "orders"), data_id="orders")
    daily = app.create_data(data_id="daily", inputs=[orders])
    assert daily.id == "daily"
    assert app.patch_data(data_id="daily", retrigger="any").id == "daily"
    assert app.update_data(data_id="daily", inputs=[orders]).id == "daily"
