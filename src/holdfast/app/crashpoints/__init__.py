"""What becomes of money and seats when it dies: every flow, cut at every boundary in every way.

Nothing of the program is changed for it. A process of the program talks to PostgreSQL and to the sandbox through wires of ours
(``wires.py``), so that it can be killed, cut off or kept waiting between any two messages.
"""
