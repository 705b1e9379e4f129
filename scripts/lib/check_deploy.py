#!/usr/bin/env python3
"""Checks the configurations of the collector and Grafana, which need not be installed, and their references."""

import json
import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBLEMS = []


def problem(where, text):
    PROBLEMS.append(f"{where}: {text}")


def read(path):
    with (ROOT / path).open(encoding="utf-8") as file:
        return yaml.safe_load(file)


def known(where, table, names):
    """Reports the keys of the table that the program would refuse."""
    for key in sorted(set(table or {}) - set(names)):
        problem(where, f"unknown key '{key}'")


def collector():
    """Every pipeline names defined components, and every defined component is used."""
    where = "otel/collector.yaml"
    config = read(where)
    kinds = ["receivers", "processors", "exporters", "connectors", "extensions"]
    known(where, config, [*kinds, "service"])
    service = config["service"]
    known(f"{where}: service", service, ["extensions", "pipelines", "telemetry"])
    used = {kind: set() for kind in kinds}
    used["extensions"].update(service.get("extensions", []))
    for name, pipeline in service["pipelines"].items():
        if name.split("/")[0] not in ("traces", "metrics", "logs"):
            problem(where, f"'{name}' is not a kind of pipeline")
        known(f"{where}: {name}", pipeline, ["receivers", "processors", "exporters"])
        for kind, names in pipeline.items():
            used[kind].update(names)
        if pipeline.get("processors", ["memory_limiter"])[0] != "memory_limiter":
            problem(where, f"{name}: memory_limiter must come first")
    for kind in kinds:
        defined = set(config.get(kind) or {})
        for name in sorted(used[kind] - defined):
            problem(where, f"{kind}: '{name}' is used, but not defined")
        for name in sorted(defined - used[kind]):
            problem(where, f"{kind}: '{name}' is defined, but not used")
    components(where, config)


def components(where, config):
    """Checks the settings of the components in use against their documentation."""
    allowed = {
        "otlp": {"receivers": ["protocols"], "exporters": ["endpoint", "tls", "sending_queue", "retry_on_failure", "timeout",
                                                            "headers", "compression"]},
        "memory_limiter": {"processors": ["check_interval", "limit_mib", "spike_limit_mib", "limit_percentage",
                                          "spike_limit_percentage"]},
        "batch": {"processors": ["send_batch_size", "send_batch_max_size", "timeout"]},
        "health_check": {"extensions": ["endpoint", "path"]},
    }
    for kind in ("receivers", "processors", "exporters", "extensions"):
        for name, settings in (config.get(kind) or {}).items():
            of_kind = allowed.get(name.split("/")[0], {}).get(kind)
            if of_kind is None:
                problem(where, f"{kind}: '{name}' is unknown to this check: add it to `allowed`")
            else:
                known(f"{where}: {name}", settings, of_kind)


def grafana():
    """Data sources have ids, and every dashboard uses an existing one."""
    where = "otel/grafana/provisioning/datasources/openrun.yml"
    sources = read(where)["datasources"]
    ids = {source["uid"] for source in sources}
    for source in sources:
        known(where, source, ["name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData"])
    where = "otel/grafana/provisioning/dashboards/openrun.yml"
    for provider in read(where)["providers"]:
        known(where, provider, ["name", "folder", "type", "disableDeletion", "allowUiUpdates", "updateIntervalSeconds",
                                "options"])
    for path in sorted((ROOT / "otel/grafana/dashboards").glob("*.json")):
        dashboard(path, ids)


def dashboard(path, ids):
    where = path.relative_to(ROOT)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        problem(where, f"not JSON: {error}")
        return
    if not content.get("uid") or not content.get("title"):
        problem(where, "a dashboard needs a uid and a title")
    for panel in content.get("panels", []):
        uid = (panel.get("datasource") or {}).get("uid", "prometheus")
        if uid not in ids and not uid.startswith(("$", "-")):
            problem(where, f"panel '{panel.get('title')}' uses '{uid}', which is not a data source")


def references():
    """References between files: hosts are services, and mounted files exist."""
    services = read("docker-compose.yml")["services"]
    exporters = read("otel/collector.yaml")["exporters"]
    hosts = {exporter["endpoint"].split(":")[0] for exporter in exporters.values()}
    for source in read("otel/grafana/provisioning/datasources/openrun.yml")["datasources"]:
        hosts.add(source["url"].split("/")[2].split(":")[0])
    for job in read("otel/prometheus.yml")["scrape_configs"]:
        for targets in job.get("static_configs", []):
            hosts.update(target.split(":")[0] for target in targets["targets"])
        for names in job.get("dns_sd_configs", []):
            hosts.update(names["names"])
    for host in sorted(hosts - set(services) - {"localhost"}):
        problem("otel", f"'{host}' is not a service of docker-compose.yml")
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./") and not (ROOT / source).exists():
                problem("docker-compose.yml", f"{name} mounts {source}, which does not exist")


def main():
    collector()
    grafana()
    references()
    for line in PROBLEMS:
        print(line)
    return 1 if PROBLEMS else 0


if __name__ == "__main__":
    sys.exit(main())
