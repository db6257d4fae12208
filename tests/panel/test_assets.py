"""The panel's module for the page: joined from files, each once, nothing left that a page could not load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmvision_magic.panel import assets


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files to join instead of the panel's own."""
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    monkeypatch.setattr(assets, "module", assets.module.__wrapped__)
    return tmp_path


def test_files_are_joined_once_each_before_their_first_importer(static: Path):
    (static / "panel.js").write_text(
        'import { a } from "./a.js";\nimport { b } from "./b.js";\nexport default { a, b };\n'
    )
    (static / "a.js").write_text('import { b } from "./b.js";\nexport const a = b + 1;\n')
    (static / "b.js").write_text("export const b = 1;\n")
    assert assets.module() == "const b = 1;\n\nconst a = b + 1;\n\nexport default { a, b };\n"


def test_only_the_word_export_of_a_declaration_goes(static: Path):
    text = "export function f() {}\nexport class C {}\nexport async function g() {}\nconst s = 'export const';\n"
    (static / "panel.js").write_text(text + "export default { f };\n")
    joined = assets.module()
    assert "function f() {}\nclass C {}\nasync function g() {}\n" in "\n" + joined
    assert "'export const'" in joined
    assert joined.endswith("export default { f };\n")


@pytest.mark.parametrize(
    "line", ['import x from "./x.js";', 'import { a as b } from "./x.js";', 'import { a } from "https://x.org/x.js";']
)
def test_another_form_of_import_is_refused_by_name(static: Path, line: str):
    (static / "panel.js").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=re.escape(line)):
        assets.module()


def test_a_circle_is_refused(static: Path):
    (static / "panel.js").write_text('import { a } from "./a.js";\n')
    (static / "a.js").write_text('import { p } from "./panel.js";\n')
    with pytest.raises(ValueError, match=r"circle: panel\.js → a\.js → panel\.js"):
        assets.module()


def test_the_panel_loads_nothing_and_declares_each_name_once():
    joined = assets.module()
    assert not re.search(r"^import\b|\bimport\(|https?://(?!www\.w3\.org/2000/svg)", joined, re.MULTILINE)
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", joined, re.MULTILINE)
    assert len(names) == len(set(names)) > 30
    assert joined.count("export ") == 1


def test_every_file_is_part_of_the_panel_and_small():
    joined = assets.module()
    for path in assets.STATIC.glob("*.js"):
        text = path.read_text("utf-8")
        assert text.splitlines()[0] in joined, f"{path.name} is not used"
        assert len(text.splitlines()) < 300, f"{path.name} wants to be two files"


def test_the_style_touches_only_the_panel():
    style = re.sub(r"/\*.*?\*/", "", assets.stylesheet(), flags=re.DOTALL)
    assert "@import" not in style
    assert "url(" not in style
    for selector in re.findall(r"([^{};]+)\{", re.sub(r"@keyframes[^}]*\}\s*\}", "", style)):
        if not selector.strip().startswith("@"):
            while "(" in selector:
                selector = re.sub(r"\([^()]*\)", "", selector)
            for one in selector.split(","):
                assert one.strip().startswith(".llmvm-panel"), one
