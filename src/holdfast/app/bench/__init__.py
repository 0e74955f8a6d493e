"""How fast it is, beside what PostgreSQL alone and a bare endpoint do on the same machine in the same minute.

Kept empty of imports: the load generator starts from here, and should do so quickly.
"""
