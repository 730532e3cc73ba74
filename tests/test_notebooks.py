"""The notebooks: in step with their text, no functions, clean from a fresh kernel, and stored outputs are current.

Run as a script it writes them from their text: `python tests/test_notebooks.py [NAME ...]`, all of them without names.
"""

import ast
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = [
    "00_start_here",
    "01_lemma1",
    "02_theorem2_corollary3",
    "03_theorem4_corollary5",
    "04_theorem6",
    "05_theorem7",
    "06_theorem8",
]
SECONDS = 120  # promised: each under two minutes on two cores, which two workers share here; measured 10 to 35
BYTES = 400_000
NUMBER = re.compile(r"[+-]?\d+\.?\d*(?:e[+-]?\d+)?")
SAME = 0.01  # relative: what is printed has three digits or more, and other machines round otherwise
ROUNDING = 1e-8  # below the tolerance of every comparison: rounding, of which no digit is the same elsewhere
TEXT = ("text/html", "text/markdown", "text/plain")


def read(name: str, suffix: str = ".ipynb", folder: Path = NOTEBOOKS) -> nbformat.NotebookNode:
    return jupytext.read(folder / (name + suffix))


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what the cells show: text, and the kinds of what is not text."""
    shown = []
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        data = output.get("data", {output.get("name"): output.get("text")})
        shown += [text if kind in (*TEXT, "stdout", "stderr") else kind for kind, text in sorted(data.items())]
    return shown


def agree(first: str, second: str) -> bool:
    """Return whether two texts are the same but for spaces and for the last digits of numbers."""
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (first, second)]
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (first, second)]
    close = (math.isclose(a, b, rel_tol=SAME, abs_tol=ROUNDING) for a, b in zip(*numbers, strict=False))
    return words[0] == words[1] and all(close)


def test_every_notebook_has_its_text_and_is_listed():
    for suffix in (".py", ".ipynb"):
        assert sorted(path.stem for path in NOTEBOOKS.glob("*" + suffix)) == NAMES
    assert all(f"]({name}.ipynb)" in (NOTEBOOKS / "README.md").read_text() for name in NAMES)
    first = "".join(cell.source for cell in read(NAMES[0]).cells)
    assert all(f"]({name}.ipynb)" in first for name in NAMES[1:])


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_is_in_step_with_its_text(name):
    text, notebook = ([(cell.cell_type, cell.source) for cell in read(name, end).cells] for end in (".py", ".ipynb"))
    assert text == notebook


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_defines_no_function_and_ends_with_verdicts_and_things_to_try(name):
    cells = read(name).cells
    for cell in cells:
        if cell.cell_type == "code":
            nodes = {type(node) for node in ast.walk(ast.parse(cell.source))}
            assert not nodes & {ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef}, cell.source
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    headings = [line for line in text.splitlines() if line.startswith(("# ", "## "))]
    assert headings[0].startswith("# ")
    assert headings[-2:] == ["## Verdicts", "## Try this"]
    last = next(k for k, cell in enumerate(cells) if "## Try this" in cell.source)
    assert cells[last - 1].source.startswith("verify(")
    assert 2 <= sum(cell.cell_type == "code" for cell in cells[last:]) <= 4
    links = re.findall(r"\]\(([^):]+)\)", text)
    assert all((NOTEBOOKS / link).is_file() for link in links)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_small_and_says_nothing_about_the_machine(name):
    notebook = read(name)
    assert (NOTEBOOKS / f"{name}.ipynb").stat().st_size < BYTES
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert all(not cell.metadata and "id" not in cell for cell in notebook.cells)
    assert all(output.output_type != "error" for cell in code for output in cell.outputs)
    for text in printed(notebook):
        assert not re.search(r"(?<![\w.:/<)])(?:/[\w.-]+){2,}|[A-Z]:\\|\b0x[0-9a-f]{6}", text), text


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_runs_clean_and_what_it_stores_is_current(name, tmp_path):
    # In a process of its own: what jupyter and zmq warn of, and the sockets that they leave, are no concern of ours.
    command = [sys.executable, __file__, "--to", str(tmp_path), name]
    run = subprocess.run(command, capture_output=True, text=True, timeout=2 * SECONDS, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    fresh = read(name, folder=tmp_path)
    assert not [output for cell in fresh.cells for output in cell.get("outputs", ()) if output.get("name") == "stderr"]
    now, stored = printed(fresh), printed(read(name))
    assert len(now) == len(stored)
    for first, second in zip(now, stored, strict=True):
        assert agree(first, second), f"stored:\n{second}\nnow:\n{first}"


def test_a_number_that_is_off_and_a_word_that_changed_are_noticed():
    text = "AGREES within 3e-14: rate 0.0705 at step 442"
    assert agree(text, "AGREES  within 8e-15: rate 0.0705 at step 442")
    assert agree(text, text.replace("0.0705", "0.0704"))
    assert not agree(text, text.replace("0.0705", "0.0720"))
    assert not agree(text, text.replace("AGREES", "DISAGREES"))
    assert not agree(text, text.replace("3e-14", "3e-7"))


def write(name: str, folder: Path) -> None:
    """Execute the text of a notebook in a fresh kernel and write it with its outputs, but nothing that varies."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager
    from matplotlib import font_manager  # noqa: F401  (where it builds its cache, it says so on stderr: not in a cell)
    from nbclient import NotebookClient

    os.environ.pop("MPLBACKEND", None)  # a kernel chooses the backend that draws into the notebook
    notebook = read(name, ".py")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    # No folder to look for kernels in: what is left is this Python's own.
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    place = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(
        notebook, kernel, timeout=SECONDS, resources=place, record_timing=False, coalesce_streams=True
    )
    client.execute()
    notebook.metadata.language_info = nbformat.from_dict({"name": "python"})
    notebook.nbformat_minor = 4  # the last format without an id for each cell, which would be a random one
    for cell in notebook.cells:
        cell.pop("id", None)
        cell.metadata.clear()
    nbformat.write(notebook, folder / f"{name}.ipynb")


if __name__ == "__main__":
    names = sys.argv[1:]
    folder = NOTEBOOKS
    if names[:1] == ["--to"]:
        folder, names = Path(names[1]), names[2:]
    for name in names or NAMES:
        write(name, folder)
