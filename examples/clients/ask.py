#!/usr/bin/env python3
"""Requests a coupon until there is a true answer. docs/clients.md explains the rules.

    ask.py SERVER COUPON MEMBER        such as: ask.py http://127.0.0.1:8080 summer-drop kim

Prints the answer. Exit code 0: the member holds a coupon. 1: none is available. 2: the request is wrong. 3: no true
answer within ASK_PATIENCE_S (60) seconds; the outcome is unknown, and requesting again is right.
Needs Python 3.9 or later and nothing else.
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

REQUEST_TIMEOUT_S = 10  # A node answers within 5 s; a later answer is lost.
BACKOFF_S = 0.2
BACKOFF_MAX_S = 10.0


def judge(status, code):
    """Classifies an answer: issued, none, wrong, or again (to be retried)."""
    if status in (200, 201):
        return "issued"
    if status == 409 and code in ("sold_out", "closed"):
        return "none"
    if code == "not_open" or status in (408, 429) or status >= 500:
        return "again"
    return "wrong"


def read(response):
    """Status, body and the seconds of Retry-After, if present."""
    text = response.read()
    try:
        body = json.loads(text)
    except ValueError:  # A proxy has answered. Only the status is known.
        body = {}
    retry_after = response.headers.get("Retry-After", "")
    return response.status, body, int(retry_after) if retry_after.isdigit() else None


def ask_once(server, coupon, member):
    """One request. No answer, or half of one, has the status 0."""
    url = f"{server}/v1/coupons/{urllib.parse.quote(coupon, safe='')}/issuances"
    body = json.dumps({"member_id": member}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as response:
            return read(response)
    except urllib.error.HTTPError as refused:
        with refused:
            try:
                return read(refused)
            except (OSError, http.client.HTTPException):
                return 0, {}, None
    except (OSError, http.client.HTTPException):
        return 0, {}, None


def ask(server, coupon, member, patience_s=60.0):
    """Requests until there is a true answer or patience runs out. Returns issued, none, wrong or unknown, and the body."""
    give_up_at = time.monotonic() + patience_s
    backoff_s, attempt = BACKOFF_S, 0
    while time.monotonic() < give_up_at:
        attempt += 1
        status, body, retry_after_s = ask_once(server, coupon, member)
        code = body.get("code")
        kind = "again" if status == 0 else judge(status, code)
        if kind != "again":
            return kind, body
        print(f"ask: {code or f'status {status}'}, attempt {attempt}", file=sys.stderr, flush=True)
        if retry_after_s is None:
            time.sleep(random.uniform(0, backoff_s))
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
        else:
            # Not before the requested wait, and with jitter.
            time.sleep(random.uniform(retry_after_s, retry_after_s * 1.5))
    return "unknown", {}


def main():
    server, coupon, member = sys.argv[1:4]
    kind, body = ask(server, coupon, member, float(os.environ.get("ASK_PATIENCE_S", "60")))
    if kind == "unknown":
        print("ask: no true answer yet, the outcome is unknown; run it again", file=sys.stderr)
    else:
        print(json.dumps(body))
    return {"issued": 0, "none": 1, "wrong": 2, "unknown": 3}[kind]


if __name__ == "__main__":
    sys.exit(main())
