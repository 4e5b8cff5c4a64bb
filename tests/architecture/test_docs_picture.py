import importlib.util
import io

from rich.console import Console

from tests.architecture.pages import ROOT


def test_the_picture_keeps_what_is_worth_a_look(tmp_path):
    script = ROOT / "docs" / "make_thread_picture.py"
    spec = importlib.util.spec_from_file_location("make_thread_picture", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    console = Console(width=module.WIDTH, record=True, force_terminal=True, file=io.StringIO())
    panel = "\n".join(["╭─ The plan ─╮", *(f"│ line {n}" for n in range(40)), "╰─ end ─╯"])
    dull = "╭─ Reading your data ─╮\n│ dull\n╰──╯"
    bars = "\n".join(f"  █░ {n} %" for n in range(8))

    panel += f"\n{tmp_path}/models"
    console.print(f"{dull}\n{panel}\n{bars}", highlight=False, markup=False)
    svg = module.picture(console, tmp_path)

    assert "line&#160;0" in svg
    assert "⋮" in svg
    assert "line&#160;20" not in svg
    assert "dull" not in svg
    assert svg.count("&#160;%") == 2
    assert "@font-face" not in svg
    assert "data/models" in svg
    assert tmp_path.name not in svg
