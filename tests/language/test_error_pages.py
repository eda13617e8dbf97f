"""Every code of an error, and of a warning, has its section: cause, example, repair."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rheodsl
from rheodsl.error_pages import section, sections
from rheodsl.errors import UnknownNameError

from .messages import FOLDER, read

ROOT = Path(__file__).parents[2]
PACKAGES = ("rheodsl", "rheo_runtime", "codegen", "rheo_platforms", "rheo_airflow")


def codes() -> set[str]:
    """All codes that stand in the source as texts of their own."""
    texts = (p.read_text("utf-8") for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
    return {code for text in texts for code in re.findall(r"\"(RD\d{3})\"", text)}


def test_every_code_has_a_section_and_every_section_a_code() -> None:
    assert codes() == set(sections())


@pytest.mark.parametrize("code", sorted(sections()))
def test_a_section_says_cause_example_and_repair(code: str) -> None:
    title, cause, *_ = re.split(r"\n\n", sections()[code])
    assert title.startswith(f"{code}: ")
    assert len(cause) > 30
    assert "**Repair.** " in sections()[code]
    assert code == "RD000" or f"\n{code}: " in sections()[code].replace("```text\n", "\n"), "no example"


def test_examples_of_the_language_are_what_it_says() -> None:
    said = {m for path in FOLDER.glob("*.txt") for case in read(path) for m in case.message.split("\n\n")}
    known = {message[:5] for message in said}
    for code, text in sections().items():
        if code in known - {"RD100"}:
            (block,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
            assert any(block.endswith(f"\n\n{message}\n") for message in said), block


def test_the_page_of_the_docs_is_the_one_that_is_shipped(request: pytest.FixtureRequest) -> None:
    shipped = (ROOT / "rheodsl" / "errors.md").read_text("utf-8")
    if request.config.getoption("--update-golden"):
        (ROOT / "docs" / "errors.md").write_text(shipped, "utf-8")
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == shipped


def test_a_code_that_is_none() -> None:
    assert section("rd104") == section("RD104")
    with pytest.raises(UnknownNameError, match="there is no error RD999"):
        section("RD999")


def test_whatever_the_docs_use_of_the_language_can_be_imported() -> None:
    """Names after ``from rheodsl import``, of pages whose examples do not run them too."""
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    pattern = re.compile(r"^(?:>>> )?from rheodsl import ([A-Za-z_, ]+)$", re.MULTILINE)
    named = {
        n.strip() for p in pages for found in pattern.findall(p.read_text("utf-8")) for n in found.split(",")
    }
    assert {n for n in named if not hasattr(rheodsl, n)} == set()
    assert rheodsl.AWSCommonParams.REGION == "REGION"
