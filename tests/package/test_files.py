"""The Dockerfile, the scripts and the list of what is inside, by those who know how they should be."""

import json
import tomllib
from importlib.resources import files

import jsonschema_rs
import pytest
from conftest import BINARY, LIST, ROOT, run


def test_the_dockerfile_has_nothing_to_complain_of():
    run("hadolint", "--failure-threshold", "style", ROOT / "Dockerfile")


def test_nor_have_the_scripts():
    run("shellcheck", *(ROOT / "deploy" / "container").glob("*.sh"))


def test_the_compiler_of_the_image_is_ours():
    toolchain = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    assert f"ARG RUST={toolchain}\n" in (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def components():
    bill = json.loads(LIST.read_text())
    return {(component["name"], component["version"]) for component in bill["components"]}


@pytest.fixture(scope="module")
def cyclonedx():
    """CycloneDX's schema, out of its own library; that library's way to apply it takes minutes."""
    folder = files("cyclonedx.schema._res")
    parts = ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"]
    named = [(f"http://cyclonedx.org/schema/{part}", json.loads((folder / part).read_text())) for part in parts]
    schema = json.loads((folder / "bom-1.5.SNAPSHOT.schema.json").read_text())
    return jsonschema_rs.validator_for(schema, registry=jsonschema_rs.Registry(named))


def test_the_list_is_as_cyclonedx_wants_it(cyclonedx):
    bill = json.loads(LIST.read_text())
    cyclonedx.validate(bill)
    # Where it was made is nobody's business.
    assert str(ROOT) not in LIST.read_text()
    bill["components"][0]["type"] = "nonsense"
    assert not cyclonedx.is_valid(bill)


def test_the_list_has_the_server_and_the_page(components):
    names = {name for name, _ in components}
    assert {"llama-cpp-2", "mistralrs", "rusqlite", "tokio", "leptos", "zyron-web", "zyron-pdf"} <= names
    # The tests' and the benchmarks' are not inside.
    assert not {"proptest", "xtask", "zyron-e2e"} & names


def test_the_list_has_the_versions_that_are_compiled(components):
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    assert components <= {(package["name"], package["version"]) for package in packages}


@pytest.mark.parametrize("file", sorted((ROOT / "deploy").rglob("zyron.toml")), ids=lambda file: file.parent.name)
def test_a_server_can_start_with_each_configuration(file, tmp_path):
    config = tomllib.loads(file.read_text())
    text = file.read_text()
    # What is on the machine that it is for: a state folder, a model.
    if "state" in config:
        text = text.replace(config["state"]["folder"], str(tmp_path / "state"))
    if "model" in config:
        text = text.replace(config["model"]["path"], str(ROOT / "model/zyron-mini/zyron-mini.Q8_0.gguf"))
    (tmp_path / "zyron.toml").write_text(text)
    said = run(BINARY, "config", "check", "--config", tmp_path / "zyron.toml", cwd=tmp_path)
    assert said == "A server can start with this configuration.\n"
