"""Every YAML file in conf/ composes, and every `_target_` node binds to the signature it names."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unictk.app import schema
from unictk.app.composition import Composed, composed, composer
from unictk.app.conf_tree import ConfTree, conf_dir
from unictk.app.request import Request
from unictk.app.resolvers import register
from unictk.app.signatures import read_target
from unictk.app.specs import fits
from unictk.app.targets import locate

CONF = conf_dir()
FILES = sorted(file.relative_to(CONF).as_posix() for file in CONF.rglob("*.yaml"))
HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_"}


def compositions(file: str, base: Composed) -> list[str]:
    """The override lines that bring a file of conf/ into a request."""
    group, _, option = file.removesuffix(".yaml").rpartition("/")
    if not group:
        return []
    if group.startswith("experiment"):
        return [f"experiment={file.removesuffix('.yaml').partition('/')[2]}"]
    if group == "stage":  # a recipe that changes none of a stage's values
        return ["experiment=unictokens", f"stage@stages.s1={option}"]
    places = [place for place in base.choices if place.partition("@")[0] == group]
    return [f"{places[0] if places else '+' + group}={option}"]


def nodes(key: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if "_target_" in value:
            yield key, value
        for name, item in value.items():
            yield from nodes(f"{key}.{name}".lstrip("."), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(f"{key}.{index}", item)


def bind(key: str, node: dict[str, Any]) -> None:
    """Unknown keys, missing keys and values of the wrong kind fail."""
    entry = read_target(node["_target_"])
    given = {name: value for name, value in node.items() if name not in HYDRA_KEYS}
    inspect.signature(locate(node["_target_"])).bind_partial(**given)
    for name, value in given.items():
        assert value == "???" or fits(value, entry["params"].get(name, {})), f"{key}.{name}: {value!r}"
    missing = [] if node.get("_partial_") else [name for name in entry["required"] if name not in given]
    assert not missing, f"{key}: {node['_target_']} also needs {missing}; or write _partial_: true"


def visit(file: str) -> int:
    """Composes one file in a request and binds every node of it; returns how many nodes there were."""
    register()
    request = Request(overrides=())
    with composer(request):
        found = composed(request, compositions(file, composed(request, [])))
    bound = list(nodes("", found.plain))
    for key, node in bound:
        bind(key, node)
    return len(bound)


@pytest.mark.parametrize("file", FILES)
def test_file_composes_and_binds(file):
    assert visit(file) > 3


def test_every_file_is_visited():
    visited = [item for mark in test_file_composes_and_binds.pytestmark for item in mark.args[1]]
    assert len(visited) == len(set(visited)) == len(list(Path(CONF).rglob("*.yaml"))) > 20


def test_schema_is_fresh():
    ended = subprocess.run(
        [sys.executable, "-m", "unictk.app.schema", "--check"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_stale_schema_is_noticed(tmp_path):
    (tmp_path / "one.yaml").write_text("_target_: unictk.app.targets.locate\npath: x\n")
    command = [sys.executable, "-m", "unictk.app.schema", "--conf", str(tmp_path)]
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 1
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 0
    (tmp_path / "two.yaml").write_text("x:\n  - _target_: unictk.app.targets.lost\n")
    ended = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert (
        "cannot import: two.yaml: unictk.app.targets.lost: unictk.app.targets has no 'lost'" in ended.stderr
    )


@pytest.mark.parametrize("key", schema.load([CONF])["settings"])
def test_every_setting_is_in_the_configuration(key):
    request = Request(overrides=())
    register()
    with composer(request):
        assert key in composed(request, []).plain


def test_no_unknown_key_at_the_top():
    request = Request(overrides=())
    register()
    with composer(request):
        plain = composed(request, []).plain
    known = {*schema.load([CONF])["settings"], *ConfTree((CONF,)).groups}
    assert set(plain) <= known


def test_stages_of_the_default_request_differ():
    request = Request(overrides=())
    register()
    with composer(request):
        stages = list(composed(request, []).plain["stages"].values())
    assert len(stages) > 1
    assert all(one != other for place, one in enumerate(stages) for other in stages[:place])


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"_target_": "unictk.app.targets.locate", "pth": "x"}, "unexpected keyword"),
        ({"_target_": "unictk.app.targets.locate"}, "also needs"),
        ({"_target_": "unictk.app.targets.locate", "path": 3}, "path: 3"),
        ({"_target_": "unictk.app.targets.gone", "path": "x"}, "has no 'gone'"),
    ],
)
def test_binding_can_fail(node, reason):
    with pytest.raises((TypeError, AssertionError, ImportError), match=reason):
        bind("here", node)
