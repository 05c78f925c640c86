"""Fetches mail with Python's poplib the way small scripts do: keep on the server, fetch only what is new.

Arguments: host, port, "ssl" or "stls", certificate file, user, file of the ids seen so far, "keep" or "delete".
The password comes on standard input. Writes what it saw as JSON.
"""

import json
import os
import poplib
import ssl
import sys

host, port, security, certificate, user, seen_file, what = sys.argv[1:]
password = sys.stdin.readline().rstrip("\n")
context = ssl.create_default_context(cafile=certificate)
if security == "ssl":
    server = poplib.POP3_SSL(host, int(port), context=context)
else:
    server = poplib.POP3(host, int(port))
    server.stls(context)
saw = {"greeting": server.getwelcome().decode(), "capabilities": sorted(server.capa())}
server.user(user)
server.pass_(password)
count, octets = server.stat()
sizes = [int(line.split()[1]) for line in server.list()[1]]
if len(sizes) != count or sum(sizes) != octets:
    raise SystemExit(f"STAT says {count} {octets}, LIST {sizes}")
seen = set(open(seen_file).read().split()) if os.path.exists(seen_file) else set()
saw["new"] = []
for line in server.uidl()[1]:
    number, uid = line.decode().split()
    if server.uidl(number).decode().split() != ["+OK", number, uid]:
        raise SystemExit("UIDL n differs from UIDL")
    if uid in seen:
        continue
    seen.add(uid)
    top = server.top(number, 0)[1]
    lines = server.retr(number)[1]
    if lines[: len(top)] != top and top[-1:] != [b""]:
        raise SystemExit("TOP n 0 is not the head of RETR")
    size = sum(len(line) + 2 for line in lines)
    saw["new"].append({"text": b"\n".join(lines).decode(), "exact": size == sizes[int(number) - 1]})
if what == "delete":
    for number in range(1, count + 1):
        server.dele(number)
    server.rset()
    saw["after rset"] = server.stat()[0]
    for number in range(1, count):
        server.dele(number)
    saw["after dele"] = server.stat()[0]
    try:
        server.retr(1)
    except poplib.error_proto as error:
        saw["deleted"] = str(error)
saw["bye"] = server.quit().decode()
with open(seen_file, "w") as file:
    file.write("\n".join(sorted(seen)))
print(json.dumps(saw))
