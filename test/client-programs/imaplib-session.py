"""A whole session with Python's imaplib, as its documentation has people write it.

Arguments: host, port, "ssl" or "starttls", certificate file, user. The password comes on standard input.
Writes what it saw as JSON; the test looks at the Maildir besides.
"""

import imaplib
import json
import ssl
import sys
import time

host, port, security, certificate, user = sys.argv[1:]
password = sys.stdin.readline().rstrip("\n")
context = ssl.create_default_context(cafile=certificate)
saw = {}


def ok(response):
    kind, data = response
    if kind != "OK":
        raise SystemExit(f"not OK: {response}")
    return data


def numbers(data):
    return [int(word) for word in data[0].split()]


if security == "ssl":
    server = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
else:
    server = imaplib.IMAP4(host, int(port))
    server.starttls(context)
try:
    server.login(user, "wrong" + password)
    saw["refused"] = ""
except imaplib.IMAP4.error as error:
    saw["refused"] = str(error)
ok(server.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode()))

# First sync: folders, what is in them, everything of each message.
saw["folders"] = sorted(line.decode().split(' "/" ')[1] for line in ok(server.list()))
saw["namespace"] = ok(server.namespace())[0].decode()
saw["status"] = ok(server.status("INBOX", "(MESSAGES UNSEEN)"))[0].decode()
saw["exists"] = numbers(ok(server.select("INBOX")))[0]
saw["flags"] = [line.decode() for line in ok(server.uid("FETCH", "1:*", "(FLAGS)"))]
whole = ok(server.fetch("1", "(RFC822.SIZE BODY.PEEK[])"))
saw["first"] = whole[0][1].decode()
saw["envelope"] = ok(server.fetch("2", "(ENVELOPE)"))[0].decode()
saw["part"] = ok(server.fetch("1", "(BODY.PEEK[HEADER.FIELDS (Subject)])"))[0][1].decode()

# Read one: that sets \Seen. Flag it, and give it a word of one's own.
ok(server.fetch("1", "(BODY[TEXT])"))
ok(server.store("1", "+FLAGS", r"(\Flagged $Label1)"))

# Search: a word of the body, a flag, a word in UTF-8 that goes as a literal.
saw["found by text"] = numbers(ok(server.search(None, "TEXT", '"text of two"')))
saw["found by flag"] = numbers(ok(server.search(None, "FLAGGED", "UNDELETED")))
server.literal = "süß".encode()
saw["found in utf-8"] = numbers(ok(server.uid("SEARCH", "CHARSET", "UTF-8", "SUBJECT")))
saw["sorted"] = numbers(ok(server.sort("(REVERSE SUBJECT)", "UTF-8", "ALL")))
saw["threads"] = ok(server.thread("REFERENCES", "UTF-8", "ALL"))[0].decode()

# A draft with a date of its own; a folder with a name beyond ASCII (as the protocol encodes it).
ok(server.create("Drafts"))
date = imaplib.Time2Internaldate(1_600_000_000)
draft = b"From: me@client.example\r\nSubject: draft\r\n\r\nnot yet\r\n"
ok(server.append("Drafts", r"(\Draft \Seen)", date, draft))
ok(server.create("Entw&APw-rfe"))
ok(server.subscribe("Entw&APw-rfe"))
saw["subscribed"] = sorted(line.decode() for line in ok(server.lsub()))

# Copy two away; move three; delete two.
saw["try create"] = server.copy("2", "Archive")[1][0].decode()
ok(server.create("Archive"))
ok(server.copy("2", "Archive"))
ok(server.uid("MOVE", "3", "Archive"))
ok(server.store("2", "+FLAGS", r"(\Deleted)"))
saw["expunged"] = [int(number) for number in ok(server.expunge())]
saw["after"] = numbers(ok(server.search(None, "ALL")))
ok(server.rename("Archive", '"Archive 2020"'))
saw["bad command"] = ""
try:
    server.fetch("1", "(NONSENSE)")
except imaplib.IMAP4.error as error:
    saw["bad command"] = str(error)
ok(server.noop())
ok(server.close())
ok(server.select("Drafts", readonly=True))
internal = ok(server.fetch("1", "(INTERNALDATE)"))[0]
saw["date"] = int(time.mktime(imaplib.Internaldate2tuple(internal)))
ok(server.unselect())
server.logout()
print(json.dumps(saw))
