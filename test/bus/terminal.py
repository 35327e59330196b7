#!/usr/bin/python3
"""Runs a program on a terminal of its own, types a line once it asks for one, and prints all that the terminal shows.

terminal.py LINE PROGRAM…"""

import os
import pty
import sys

line, *argv = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.execv(argv[0], argv)
shown, typed = b"", False
while True:
    try:
        got = os.read(terminal, 4096)
    except OSError:  # EIO: the other end is closed.
        got = b""
    if not got:
        break
    shown += got
    if not typed and b"passphrase: " in shown:
        os.write(terminal, line.encode() + b"\n")
        typed = True
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
