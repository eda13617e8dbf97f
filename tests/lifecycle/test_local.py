"""Applications of a local stack that is down, and files in folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from rheo_platforms.lifecycle.stores import FolderStore
from rheodsl import Application, LocalPlatform
from rheodsl.errors import StateError
from rheodsl.lifecycle import ApplicationState as S


@pytest.fixture
def app(tmp_path: Path) -> Application:
    app = Application("shop", platform=LocalPlatform(tmp_path / ".rheo"))
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    return app


def test_on_a_stack_that_is_down_everything_is_new(app: Application, tmp_path: Path) -> None:
    assert app.state is S.INITIALIZED
    plan = str(app.plan())
    assert "+ daily" in plan and "+ Glue::Job shop-daily" in plan and "+ S3::Bucket rheo-shop" in plan
    for call in (app.pause, app.resume, app.attach, app.load_dev_state):
        with pytest.raises(StateError):
            call()
    app.terminate()
    assert not (tmp_path / ".rheo").exists(), "nothing was started"
    app.delete()
    with pytest.raises(StateError, match="was deleted"):
        app.plan()


def test_a_folder_is_written_and_cleaned(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write({"a.py": "a", "glue/b.py": "b", "glue/c.py": "c"})
    assert store.paths() == {"a.py", "glue/b.py", "glue/c.py"}
    assert (store.read("glue/b.py"), store.read("glue")) == ("b", None)
    store.remove(["glue/b.py", "no/such"])
    assert (tmp_path / "glue").is_dir()
    store.remove(["glue/c.py", "a.py"])
    assert list(tmp_path.iterdir()) == []
