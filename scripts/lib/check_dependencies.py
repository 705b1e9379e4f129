"""Checks `cargo metadata` on standard input against the deny.toml named on the command line.

Equals `cargo deny check licenses bans sources` for the rules that this project's deny.toml uses.
"""

import json
import re
import sys
import tomllib


def licence_is_allowed(expression, allowed):
    """Whether an SPDX expression can be met by allowed licences alone. AND binds tighter than OR."""
    # Older crates write OR as a slash.
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def alternatives():
        result = conjunction()
        while peek() == "OR":
            take()
            right = conjunction()
            result = result or right
        return result

    def conjunction():
        result = single()
        while peek() == "AND":
            take()
            right = single()
            result = result and right
        return result

    def single():
        token = take()
        if token == "(":
            result = alternatives()
            if take() != ")":
                raise ValueError("a parenthesis is not closed")
            return result
        if peek() == "WITH":
            take()
            token = f"{token} WITH {take()}"
        return token in allowed

    try:
        result = alternatives()
    except (IndexError, ValueError):
        return False
    return result and position == len(tokens)


def faults(metadata, rules):
    """Yields a sentence for each forbidden crate."""
    allowed = set(rules["licenses"]["allow"])
    exceptions = {e["crate"]: set(e["allow"]) for e in rules["licenses"].get("exceptions", [])}
    banned = {b["crate"]: b.get("reason", "no reason given") for b in rules["bans"]["deny"]}
    # serde comes from Cargo's default registry, whose URL depends on the configuration of this machine.
    sources = {p["source"] for p in metadata["packages"] if p["name"] == "serde" and p["source"]}
    sources |= {f"registry+{r}" for r in rules["sources"].get("allow-registry", [])}
    sources |= {f"git+{r}" for r in rules["sources"]["allow-git"]}
    members = set(metadata["workspace_members"])

    for package in metadata["packages"]:
        name = package["name"]
        label = f"{name} {package['version']}"
        if name in banned:
            yield f"{label} is banned: {banned[name]}."
        licence = package["license"]
        if not licence:
            yield f"{label} names no licence."
        elif not licence_is_allowed(licence, allowed | exceptions.get(name, set())):
            yield f"{label} is under {licence}, which deny.toml does not allow."
        source = package["source"]
        if source is None:
            if package["id"] not in members:
                yield f"{label} comes from a folder outside the workspace."
        elif source.split("?")[0].split("#")[0] not in sources:
            yield f"{label} comes from {source}, which deny.toml does not allow."


def main():
    with open(sys.argv[1], "rb") as file:
        rules = tomllib.load(file)
    metadata = json.load(sys.stdin)
    found = sorted(faults(metadata, rules))
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"{len(metadata['packages'])} crates: licences, bans and sources agree with deny.toml.")


if __name__ == "__main__":
    main()
