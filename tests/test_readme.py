"""What the README shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_python_example_prints_what_the_readme_says():
    code, output = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == output


def test_the_toml_example_is_an_experiment(tmp_path):
    from dynamics import Experiment

    path = tmp_path / "mine.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", README, re.DOTALL).group(1))
    assert Experiment.from_toml(path).problem.classes == 10
