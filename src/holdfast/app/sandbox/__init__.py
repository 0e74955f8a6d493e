"""A payment gateway that moves no money: a process with a database of its own, reached only over HTTP, as a real one is.

What it does with a charge is said by the token (``script.py``): it can decline, ask for 3-D Secure, answer late, twice or not at
all, and it remembers everything that it took through any crash. It shares no code and no database with the rest of the program.
"""
