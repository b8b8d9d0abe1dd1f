#!/usr/bin/env python3
"""An integration service in one file of Python's standard library.

It speaks the generic connector contract over a list in memory, as a small
provider's service would, and holds the cases that hubs lose payments on: many
rows of one instant, stamps that are only dates, a row that appears late, a row
dated far in the future, and a record that can't be read. POST /control/… brings
them about while the service runs; see README.md.
"""

import argparse
import datetime
import hmac
import http.server
import json
import sys
import threading
import urllib.parse

UTC = datetime.timezone.utc
PAGE_SIZE_MAX = 1000
CURRENCY = "EUR/2"


class Refusal(Exception):
    """An answer that is not a success, in the contract's form."""

    def __init__(self, status, title, detail):
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


def stamp(instant):
    """The instant as the contract writes it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Provider:
    """What the provider knows. Rows hold their stamps as datetimes."""

    def __init__(self, data):
        self.lock = threading.Lock()
        self.reset(data)

    def reset(self, data):
        """Begin again with one of the sets of transactions below."""
        stamps = self.SETS.get(data)
        if stamps is None:
            raise Refusal(400, "Bad request", "data must be one of " + ", ".join(self.SETS))
        now = datetime.datetime.now(UTC).replace(microsecond=0)
        self.opened = now - datetime.timedelta(days=30)
        self.poisoned = set()
        self.transactions = []
        for number, at in enumerate(stamps(now), start=1):
            self.add(f"t{number:04d}", at)

    def ties(now):
        """250 rows, one a second, but the 51st to the 180th share one instant."""
        start = now - datetime.timedelta(hours=1)
        for number in range(1, 251):
            yield start + datetime.timedelta(seconds=51 if 51 <= number <= 180 else number)

    def dates(now):
        """250 rows whose stamps are only dates: 50 of them, 130, and 70."""
        midnight = now.replace(hour=0, minute=0, second=0)
        for number in range(1, 251):
            days = 3 if number <= 50 else 2 if number <= 180 else 1
            yield midnight - datetime.timedelta(days=days)

    def thousand(now):
        """1,000 rows, ten a second."""
        start = now - datetime.timedelta(hours=1)
        for number in range(1, 1001):
            yield start + datetime.timedelta(milliseconds=100 * number)

    SETS = {"ties": ties, "dates": dates, "thousand": thousand}

    def add(self, id, at):
        """Add a movement. The same id twice is one movement."""
        if any(row["id"] == id for row in self.transactions):
            raise Refusal(409, "Conflict", f"There is a transaction {id} already.")
        self.changed = datetime.datetime.now(UTC)
        number = len(self.transactions) + 1
        self.transactions.append({
            "id": id, "createdAt": at, "updatedAt": at, "currency": CURRENCY, "scheme": "SEPA_CREDIT",
            "type": "PAYIN", "status": "SUCCEEDED", "amount": str(1000 + number),
            "sourceAccountID": "ben-1", "destinationAccountID": "main",
            "metadata": {"invoice": f"2026-{number}"},
        })
        return id

    def newest(self):
        """The instant of the newest row that is not in the future."""
        now = datetime.datetime.now(UTC)
        return max(row["updatedAt"] for row in self.transactions if row["updatedAt"] <= now)

    # What POST /control/… does. Each returns the id that it is about.

    def late(self):
        """A row appears that is five seconds older than the newest."""
        return self.add(f"late-{len(self.transactions)}", self.newest() - datetime.timedelta(seconds=5))

    def future(self):
        """A row appears that is dated 2099."""
        return self.add(f"future-{len(self.transactions)}", datetime.datetime(2099, 1, 1, tzinfo=UTC))

    def later(self):
        """A row appears that is a second newer than the newest."""
        return self.add(f"later-{len(self.transactions)}", self.newest() + datetime.timedelta(seconds=1))

    def poison(self):
        """The row in the middle gets an amount that is none. Its stamps stay."""
        id = self.transactions[len(self.transactions) // 2]["id"]
        self.poisoned.add(id)
        return id

    def mend(self):
        """All rows are as they should be again. Their stamps stay."""
        mended, self.poisoned = sorted(self.poisoned), set()
        return ", ".join(mended)

    CONTROLS = {"late": late, "future": future, "later": later, "poison": poison, "mend": mend}

    # What the contract asks for.

    def accounts(self):
        return [{"id": "main", "accountName": "Operating account", "createdAt": self.opened, "metadata": {"bank": "Example"}}]

    def beneficiaries(self):
        return [{"id": f"ben-{n}", "createdAt": self.opened, "ownerName": f"Customer {n}"} for n in (1, 2, 3)]

    def balances(self, account):
        if account != "main":
            raise Refusal(404, "Not found", f"There is no account {account}.")
        total = sum(int(row["amount"]) for row in self.transactions)
        return {"id": "main", "accountID": "main", "at": stamp(self.changed),
                "balances": [{"amount": str(total), "currency": CURRENCY}]}

    def shown(self, row):
        """A row as it travels."""
        row = {key: stamp(value) if isinstance(value, datetime.datetime) else value for key, value in row.items()}
        if row["id"] in self.poisoned:
            row["amount"] = 12.5
        return row


def whole(query, name, default):
    """A whole number from 1 out of the query."""
    text = query.get(name, [str(default)])[0]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= 1):
        raise Refusal(400, "Bad request", f"{name} must be a whole number from 1, not {text!r}.")
    return int(text)


def page(rows, query, key):
    """The page of rows that the query asks for: at or after ...From, oldest first, ties by id."""
    number, size = whole(query, "page", 1), whole(query, "pageSize", 100)
    if size > PAGE_SIZE_MAX:
        raise Refusal(400, "Bad request", f"pageSize must be at most {PAGE_SIZE_MAX}.")
    if query.get("sort", [key + ":asc"])[0] != key + ":asc":
        raise Refusal(400, "Bad request", f"sort must be {key}:asc.")
    if key + "From" in query:
        text = query[key + "From"][0]
        try:
            start = datetime.datetime.fromisoformat(text)
        except ValueError:
            start = None
        if start is None or start.tzinfo is None:
            raise Refusal(400, "Bad request", f"{key}From must be a date and time with an offset, not {text!r}.")
        rows = [row for row in rows if row[key] >= start]
    rows = sorted(rows, key=lambda row: (row[key], row["id"]))
    return rows[(number - 1) * size:number * size]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.respond(self.get)

    def do_POST(self):
        self.respond(self.post)

    def respond(self, act):
        length = self.headers.get("Content-Length", "0")
        if length.isdigit():
            self.rfile.read(min(int(length), 1 << 20))
        try:
            self.check_key()
            url = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
            with self.server.provider.lock:
                status, answer = 200, act(self.server.provider, "/" + url.path.lstrip("/"), query)
        except Refusal as refusal:
            status, answer = refusal.status, {"Title": refusal.title, "Detail": refusal.detail}
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if "X-Request-Id" in self.headers:
            self.send_header("X-Request-Id", self.headers["X-Request-Id"])
        self.end_headers()
        self.wfile.write(body)

    def check_key(self):
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.api_key}".encode()):
            raise Refusal(401, "Unauthorized", "Send the key as: Authorization: Bearer KEY.")

    def get(self, provider, path, query):
        if path == "/accounts":
            return [provider.shown(row) for row in page(provider.accounts(), query, "createdAt")]
        if path == "/beneficiaries":
            return [provider.shown(row) for row in page(provider.beneficiaries(), query, "createdAt")]
        if path == "/transactions":
            return [provider.shown(row) for row in page(provider.transactions, query, "updatedAt")]
        if path.startswith("/accounts/") and path.endswith("/balances"):
            return provider.balances(urllib.parse.unquote(path[len("/accounts/"):-len("/balances")]))
        raise Refusal(404, "Not found", "This service has no such path.")

    def post(self, provider, path, query):
        name = path.removeprefix("/control/")
        if name == "reset":
            provider.reset(query.get("data", ["ties"])[0])
            return {"transactions": len(provider.transactions)}
        if path.startswith("/control/") and name in provider.CONTROLS:
            return {"id": provider.CONTROLS[name](provider), "transactions": len(provider.transactions)}
        raise Refusal(404, "Not found", "This service makes no payouts. POST /control/NAME takes " + ", ".join(["reset", *provider.CONTROLS]) + ".")

    def log_message(self, format, *args):
        if self.server.verbose:
            super().log_message(format, *args)


def main():
    parser = argparse.ArgumentParser(description="An integration service over a list in memory.")
    parser.add_argument("--listen", default="127.0.0.1:8090", help="address and port; port 0 takes a free one (default %(default)s)")
    parser.add_argument("--api-key", default="example-key", help="the key that callers must send (default %(default)s)")
    parser.add_argument("--data", default="ties", choices=Provider.SETS, help="the transactions to begin with (default %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    if not port.isdigit():
        parser.error("--listen must be HOST:PORT")
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    server.provider, server.api_key, server.verbose = Provider(arguments.data), arguments.api_key, arguments.verbose
    print(f"listening at http://{host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
