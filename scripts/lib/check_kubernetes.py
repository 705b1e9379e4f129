"""Checks Kubernetes manifests: every document against the strict schema of its kind, and every pod against the promises
of deploy/kubernetes/README.md. Prints a line for each fault and exits with 1 if there is one.

Usage: check_kubernetes.py FILE...      ("-" is standard input)
"""

import sys
from pathlib import Path

import kubernetes_validate
import yaml

VERSION = "1.32"
KUSTOMIZATION = "Kustomization"


def documents(path):
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    return [document for document in yaml.safe_load_all(text) if document is not None]


def schema_faults(document):
    try:
        kubernetes_validate.validate(document, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        place = ".".join(str(part) for part in error.path)
        yield f"{place}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield str(error)


def pod_of(document):
    """The pod template of a document, if it has one."""
    if document["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
        return document["spec"]["template"]["spec"]
    return None


def pod_faults(document, pod):
    context = pod.get("securityContext", {})
    if not context.get("runAsNonRoot") or context.get("runAsUser", 0) == 0:
        yield "the pod may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "the pod gets a token for Kubernetes's own API, which it does not need"
    for container in pod["containers"]:
        yield from container_faults(container)
    if document["kind"] == "Deployment":
        yield from service_faults(pod)


def container_faults(container):
    name, context = container["name"], container.get("securityContext", {})
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: the root file system is writable"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: privileges can be gained"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield f"{name}: capabilities are kept"
    resources = container.get("resources", {})
    for wanted in ("cpu", "memory"):
        if wanted not in resources.get("requests", {}):
            yield f"{name}: requests no {wanted}"
    if "memory" not in resources.get("limits", {}):
        yield f"{name}: has no memory limit"


def service_faults(pod):
    """A Deployment needs probes, and enough time for an orderly shutdown."""
    for container in pod["containers"]:
        for probe, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
            asked = container.get(f"{probe}Probe", {}).get("httpGet", {}).get("path")
            if asked != path:
                yield f"{container['name']}: the {probe} probe uses {asked}, not {path}"
        wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = pod.get("terminationGracePeriodSeconds", 30)
        if wait < 1:
            yield f"{container['name']}: has no preStop wait, so it stops while it is still in the Service"
        if grace <= wait + SHUTDOWN_TIMEOUT_S:
            yield f"the pod is killed after {grace} s, but may need {wait} s and {SHUTDOWN_TIMEOUT_S} s"
    if not pod.get("topologySpreadConstraints"):
        yield "all pods may run on one node of the cluster"


def shutdown_timeout(everything):
    for _, document in everything:
        if document["kind"] == "ConfigMap" and "OPENRUN_SHUTDOWN_TIMEOUT" in document["data"]:
            return int(document["data"]["OPENRUN_SHUTDOWN_TIMEOUT"])
    sys.exit("check_kubernetes: no ConfigMap sets OPENRUN_SHUTDOWN_TIMEOUT")


def faults(document):
    if document["kind"] == KUSTOMIZATION:
        return
    yield from schema_faults(document)
    pod = pod_of(document)
    if pod is not None:
        yield from pod_faults(document, pod)


read = [(path, document) for path in sys.argv[1:] for document in documents(path)]
SHUTDOWN_TIMEOUT_S = shutdown_timeout(read)
found = [
    f"{path}: {document['kind']} {document['metadata']['name']}: {fault}"
    for path, document in read
    for fault in faults(document)
]
print("\n".join(found) if found else f"{len(read)} documents are correct ({', '.join(sys.argv[1:])}).")
sys.exit(1 if found else 0)
