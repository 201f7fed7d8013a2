"""The manifests: built by kubectl's kustomize, held against Kubernetes's own schemas, and asked for what the Pod Security
Standard `restricted` asks. No cluster has run them here."""

import re
import tomllib

import pytest
import yaml
from conftest import ROOT, run

FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = "1.37"


@pytest.fixture(scope="module", params=["base", "gpu", "state", "upstream"])
def objects(request, tmp_path_factory):
    text = run("kubectl", "kustomize", FOLDER / request.param)
    file = tmp_path_factory.mktemp("manifests") / f"{request.param}.yaml"
    file.write_text(text)
    run("kubernetes-validate", "--strict", "--kubernetes-version", VERSION, file)
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(text)}


def pods(objects):
    for (kind, name), item in objects.items():
        if kind in ("Deployment", "StatefulSet"):
            yield name, item["spec"]["template"]


def test_a_manifest_with_a_word_misspelt_is_refused(tmp_path):
    text = run("kubectl", "kustomize", FOLDER / "base").replace("readOnlyRootFilesystem", "readonlyRootFilesystem")
    (tmp_path / "wrong.yaml").write_text(text)
    said = run("kubernetes-validate", "--strict", "--kubernetes-version", VERSION, tmp_path / "wrong.yaml", ok=False)
    assert "readonlyRootFilesystem" in said


def test_the_namespace_lets_in_what_is_restricted_and_so_are_the_pods(objects):
    labels = objects["Namespace", "zyron"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods(objects):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        security = spec["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        allowed = {"configMap", "persistentVolumeClaim", "emptyDir"}
        assert all(set(volume) - {"name"} <= allowed for volume in spec["volumes"]), name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


def test_what_runs_has_probes_limits_and_time_to_drain(objects):
    default = tomllib.loads((ROOT / "configs" / "default.toml").read_text())
    for name, pod in pods(objects):
        (container,) = pod["spec"]["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name
        if name == "zyron":
            before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            drain = default["server"]["drain_timeout_ms"] / 1000
            assert pod["spec"]["terminationGracePeriodSeconds"] >= before + drain + 10
            startup = container["startupProbe"]
            assert startup["periodSeconds"] * startup["failureThreshold"] >= 600


def test_labels_select_what_is_there(objects):
    labels = [pod["metadata"]["labels"].items() for _, pod in pods(objects)]
    for (kind, name), item in objects.items():
        selectors = {
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"].get("matchLabels", {}),
        }
        if kind in selectors:
            selector = selectors[kind](item["spec"]).items()
            assert any(selector <= pod for pod in labels), f"{kind} {name}"


def test_nothing_comes_in_or_goes_out_but_what_is_named(objects):
    assert objects["NetworkPolicy", "default-deny"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    ways_out = [name for (kind, name), item in objects.items() if kind == "NetworkPolicy" and "egress" in item["spec"]]
    assert ways_out == (["zyron-to-vllm"] if ("StatefulSet", "vllm") in objects else [])


def test_several_grow_with_the_queue_and_one_that_keeps_something_is_alone(objects):
    deployment = objects["Deployment", "zyron"]["spec"]
    scaled = {item["spec"]["scaleTargetRef"]["name"]: item["spec"] for (kind, _), item in objects.items() if kind == "HorizontalPodAutoscaler"}
    keeps = any("state" in volume["name"] for volume in deployment["template"]["spec"]["volumes"])
    if keeps:
        assert deployment["replicas"] == 1 and deployment["strategy"] == {"type": "Recreate"}
        assert "zyron" not in scaled
    else:
        # Each `kubectl apply` would undo what the autoscaler has done.
        assert "replicas" not in deployment
        assert ("PodDisruptionBudget", "zyron") in objects and scaled["zyron"]["minReplicas"] >= 2
    for spec in scaled.values():
        names = [next(iter(metric[metric["type"].lower()]["metric"].values())) for metric in spec["metrics"]]
        assert names[0] == "zyron_waiting_requests"


def test_zyron_knows_each_server_that_may_be_started(objects):
    if ("StatefulSet", "vllm") not in objects:
        return
    config = next(item for (kind, _), item in objects.items() if kind == "ConfigMap")
    servers = tomllib.loads(config["data"]["zyron.toml"])["upstream"]["servers"]
    most = objects["HorizontalPodAutoscaler", "vllm"]["spec"]["maxReplicas"]
    assert servers == [f"http://vllm-{number}.vllm:8000/v1" for number in range(most)]
    assert objects["StatefulSet", "vllm"]["spec"]["serviceName"] == "vllm"


def test_prometheus_and_its_adapter_can_read_what_is_for_them(tmp_path):
    monitoring = FOLDER / "monitoring"
    config = yaml.safe_load((monitoring / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    # Debian builds Prometheus without what asks Kubernetes.
    assert job.pop("kubernetes_sd_configs")[0]["namespaces"] == {"names": ["zyron"]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    run("promtool", "check", "config", "--syntax-only", tmp_path / "prometheus.yml")
    rules = yaml.safe_load((monitoring / "adapter.yml").read_text())["rules"]
    labels = 'namespace="zyron",pod=~"zyron-a|zyron-b"'
    expressions = []
    for rule in rules:
        query = rule["metricsQuery"]
        for name, value in [("Series", "zyron_waiting_requests"), ("LabelMatchers", labels), ("GroupBy", "pod")]:
            query = query.replace(f"<<.{name}>>", value)
        assert "<<" not in query
        expressions += [rule["seriesQuery"], query]
    # A rule's expression is parsed, with nobody to ask.
    groups = [{"name": "adapter", "rules": [{"record": f"x{n}", "expr": text} for n, text in enumerate(expressions)]}]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    run("promtool", "check", "rules", tmp_path / "rules.yml")
    given = {relabel["target_label"] for relabel in job["relabel_configs"] if "target_label" in relabel}
    assert set(rules[0]["resources"]["overrides"]) == given
    pattern = re.search(r'__name__=~"([^"]+)"', rules[0]["seriesQuery"])[1]
    documented = (ROOT / "docs" / "operations.md").read_text()
    for metric in ("zyron_waiting_requests", "zyron_running_requests"):
        assert re.fullmatch(pattern, metric) and f"`{metric}`" in documented
